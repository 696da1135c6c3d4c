import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, onTestFinished, test, vi } from 'vitest'
import { hangUpOnUnread } from '../../src/webhook/hang-up.ts'

test.each([
  ['is cut a second after the answer', { complete: false, headers: { 'content-length': '1000000' } }, ['401 connection: close', 'refused', 'cut']],
  ['of unknown length, too', { complete: false, headers: { 'transfer-encoding': 'chunked' } }, ['401 connection: close', 'refused', 'cut']],
  ['is not, where the body was read', { complete: true, headers: { 'content-length': '1000000' } }, []],
  ['is not, where no body was announced', { complete: false, headers: {} }, []],
])('the connection of a request whose body was left unread %s', async (_, incoming, expected) => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const done: string[] = []
  const outgoing = {
    destroyed: false,
    writeHead: (status: number, { connection }: { connection: string }) => done.push(`${status} connection: ${connection}`),
    write: (body: Buffer) => done.push(body.toString()),
    destroy: () => done.push('cut'),
  }
  const c = { env: { incoming: incoming as unknown as IncomingMessage, outgoing: outgoing as unknown as ServerResponse }, res: new Response('refused', { status: 401 }) }
  await hangUpOnUnread(c as unknown as Parameters<typeof hangUpOnUnread>[0], async () => {})
  vi.advanceTimersByTime(999)
  expect(done).not.toContain('cut')
  vi.advanceTimersByTime(1)
  expect(done).toEqual(expected)
})
