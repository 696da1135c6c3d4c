import { expect, test } from 'vitest'
import { senderOf } from '../../src/webhook/sender.ts'
import { deliver, payload, receiver } from '../helpers/receiver.ts'

test.each([
  ['127.0.0.1', undefined, '127.0.0.1'],
  ['127.0.0.1', '192.0.2.7', '192.0.2.7'],
  ['::1', '2001:db8::7', '2001:db8::7'],
  ['::ffff:127.0.0.1', '192.0.2.7', '192.0.2.7'],
  ['127.0.0.1', '198.51.100.1, 192.0.2.7', '192.0.2.7'],
  ['127.0.0.1', '192.0.2.7, nobody', '127.0.0.1'],
  ['203.0.113.5', '192.0.2.7', '203.0.113.5'],
  ['2001:db8::1', '192.0.2.7', '2001:db8::1'],
])('a request of %s with X-Forwarded-For %s came from %s', (remoteAddress, forwarded, sender) => {
  expect(senderOf({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } })).toBe(sender)
})

test('the log names whom the proxy on this machine names', async () => {
  const { hook, lines } = await receiver()
  await deliver(hook, payload('push'), { headers: { 'x-forwarded-for': '192.0.2.7' } })
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ from: '192.0.2.7', status: 202 }])
})
