import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { bodyBounds } from '../../src/webhook/read-body.ts'
import { deliver, payload, receiver, secret, signature } from '../helpers/receiver.ts'

const megabyte = 1024 * 1024

test.each([
  ['a wrong signature', () => signature('another body')],
  ['a signature by another secret', (body: string) => signature(body, 'another-secret')],
  ['a truncated signature', (body: string) => signature(body).slice(0, -1)],
  ['a lengthened signature', (body: string) => `${signature(body)}0`],
  ['a signature without its prefix', (body: string) => signature(body).slice('sha256='.length)],
  ['a signature in upper case', (body: string) => signature(body).toUpperCase()],
  ['an empty signature', () => ''],
])('%s is refused, logged, and not in the ledger', async (_, sign) => {
  const { hook, queued, decisions, lines } = await receiver()
  const body = JSON.stringify(payload('push'))
  const sent = sign(body)
  const answer = await deliver(hook, body, { headers: { 'x-hub-signature-256': sent } })
  expect(answer).toMatchObject({ status: 401, body: { result: 'refused' } })
  expect({ queued, decisions }).toEqual({ queued: [], decisions: [] })
  expect(lines.join()).toContain('"status":401')
  expect(lines.join()).not.toContain(secret)
  if (sent !== '') expect(lines.join()).not.toContain(sent.slice(7, 40))
})

test.each([
  ['no signature', undefined],
  ['an empty one, as Gitea does', 'sha256='],
])('a forge that was given no secret, and sends %s, is told to have one set', async (_, header) => {
  const { hook, decisions } = await receiver()
  expect(await deliver(hook, payload('push'), { headers: { 'x-hub-signature-256': header } })).toMatchObject({ status: 401, body: { reason: expect.stringContaining('set a secret in the settings of the webhook') } })
  expect(decisions).toEqual([])
})

test('a signature by SHA-1 alone is refused', async () => {
  const { hook, decisions } = await receiver()
  const body = JSON.stringify(payload('push'))
  const sha1 = `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`
  expect(await deliver(hook, body, { headers: { 'x-hub-signature-256': undefined, 'x-hub-signature': sha1 } })).toMatchObject({ status: 401 })
  expect(await deliver(hook, body, { headers: { 'x-hub-signature-256': sha1 } })).toMatchObject({ status: 401 })
  expect(decisions).toEqual([])
})

test('an empty body is refused, also with its own signature', async () => {
  const { hook } = await receiver()
  expect(await deliver(hook, '')).toMatchObject({ status: 401 })
})

test('bytes that are not UTF-8 are refused, never read as something else', async () => {
  const { url, queued } = await receiver()
  const body = Buffer.concat([Buffer.from('{"ref":"refs/heads/'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
  const head = [...headOf(body.length), `X-Hub-Signature-256: ${signature(body)}`]
  expect(await talk(url, [request(head), body])).toMatch(/^HTTP\/1\.1 401 /)
  expect(queued).toEqual([])
})

test.each([
  ['not JSON', '{"ref":', 'the body is not JSON'],
  ['an array', '[{"ref":"refs/heads/main"}]', 'ref'],
  ['a number', '1', 'Expected Object but received 1'],
  ['null', 'null', 'Expected Object but received null'],
  ['an object of nothing', '{}', 'ref'],
  ['a deep nest', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, ''],
])('a signed body that is %s is malformed, and the ledger says so', async (_, body, reason) => {
  const { hook, queued, decisions } = await receiver()
  const answer = await deliver(hook, body, { id: 'd' })
  expect(answer).toMatchObject({ status: 400, body: { result: 'refused', reason: expect.stringContaining(reason) } })
  expect(decisions).toMatchObject([{ decision: 'refused', delivery: 'd', hook: 'amp_main' }])
  expect(queued).toEqual([])
})

test('a form without the field payload is malformed', async () => {
  const { hook } = await receiver()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  expect(await deliver(hook, 'other=1', { headers })).toMatchObject({ status: 400, body: { reason: 'expected the form field "payload"' } })
})

test.each(['text/plain', 'multipart/form-data; boundary=x', undefined])('the content type %s is refused unread', async (type) => {
  const { url } = await receiver()
  const head = [...headOf(10).filter((line) => !line.startsWith('Content-Type')), ...(type ? [`Content-Type: ${type}`] : [])]
  expect(await talk(url, [request(head), '{}'])).toMatch(/^HTTP\/1\.1 415 /)
})

test.each(['x-github-event', 'x-github-delivery'])('a delivery without %s is malformed', async (name) => {
  const { hook, decisions } = await receiver()
  expect(await deliver(hook, payload('push'), { headers: { [name]: undefined } })).toMatchObject({ status: 400 })
  expect(await deliver(hook, payload('push'), { headers: { [name]: 'x'.repeat(201) } })).toMatchObject({ status: 400 })
  expect(decisions).toHaveLength(2)
})

test('an unknown hook is not found, and the ledger does not learn of it', async () => {
  const { url, decisions } = await receiver()
  for (const path of ['/webhook/other', '/webhook/', '/webhook/amp_main/more', '/', '/webhook/__proto__', '/webhook/%00', '/webhook/%zz'])
    expect(await deliver(url + path, payload('push')), path).toMatchObject({ status: 404, body: { result: 'refused' } })
  expect(decisions).toEqual([])
})

test.each(['PUT', 'DELETE', 'PATCH'])('the method %s is not allowed', async (method) => {
  const { hook } = await receiver()
  const answer = await deliver(hook, payload('push'), { method })
  expect(answer).toMatchObject({ status: 405, body: { result: 'refused' } })
  expect(answer.headers.get('allow')).toBe('POST')
})

test('GET /healthz answers 200', async () => {
  const { url } = await receiver()
  const response = await fetch(`${url}/healthz`)
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ result: 'listening' })
})

const rtl = '\u202egnp.exe'
const long = 'x'.repeat(10_000)

test.each([
  ['ref', "refs/heads/a'b\nc"],
  ['ref', 'refs/heads/a b'],
  ['ref', 'refs/heads/../../etc/passwd'],
  ['ref', 'refs/heads/a\0b'],
  ['ref', '--upload-pack=touch /tmp/x'],
  ['ref', `refs/heads/${long}`],
  ['ref', ''],
  ['ref', 7],
  ['ref', null],
  ['repository.name', '../../etc'],
  ['repository.name', '..'],
  ['repository.name', 'a;b'],
  ['repository.name', '$(id)'],
  ['repository.name', 'a"b\'c'],
  ['repository.name', 'a\nb'],
  ['repository.name', 'a\0b'],
  ['repository.name', rtl],
  ['repository.name', long],
  ['repository.name', { toString: 'x' }],
  ['repository.full_name', 'owner/../../x'],
  ['repository.full_name', '-owner/x'],
  ['repository.full_name', 'owner/$(id)'],
  ['repository.full_name', `${rtl}/x`],
  ['repository.clone_url', 'ext::sh -c touch% /tmp/x'],
  ['repository.clone_url', '--upload-pack=x'],
  ['repository.clone_url', 'https://example.org/x\n--upload-pack=y'],
  ['head_commit.id', 'HEAD; id'],
  ['head_commit.id', '6113728f'],
  ['before', 'refs/heads/main'],
])('a push whose %s is %j is malformed', async (path, value) => {
  const { hook, queued, decisions } = await receiver()
  const answer = await deliver(hook, payload('push', (push) => set(push, path, value)))
  expect(answer).toMatchObject({ status: 400, body: { result: 'refused' } })
  expect(answer.body.reason.length).toBeLessThanOrEqual(500)
  expect(queued).toEqual([])
  expect(decisions).toMatchObject([{ decision: 'refused' }])
})

test.each(['feature/$(id)', "it's", 'a"b', 'a;b', 'a&&b', '`id`', 'a|b', `a${rtl}`, '(╯°□°)╯'])('the branch %j is a ref for git, and taken as it is', async (branch) => {
  const { hook, queued } = await receiver()
  expect(await deliver(hook, payload('push', (push) => (push.ref = `refs/heads/${branch}`)))).toMatchObject({ status: 202 })
  expect(queued[0]).toMatchObject({ ref: `refs/heads/${branch}` })
})

test.each([
  ['name', '$(id) "quoted" \'single\' ; ../..', '$(id) "quoted" \'single\' ; ../..'],
  ['name', 'a\nBcc: all@example.org', 'a Bcc: all@example.org'],
  ['name', 'a\0b', 'a b'],
  ['name', long, long.slice(0, 300)],
  ['email', 'a@example.org\r\nBcc: all@example.org', 'a@example.org Bcc: all@example.org'],
])('the odd committer %s %j is cleaned', async (field, value, expected) => {
  const { hook, queued } = await receiver()
  await deliver(hook, payload('push', (push) => (push.head_commit.committer = { name: 'Ada', email: 'ada@example.org', [field]: value })))
  expect(queued[0]).toMatchObject({ [`committer_${field}`]: expected })
})

test('nothing of a stranger reaches the log as a control character', async () => {
  const { hook, lines } = await receiver()
  await deliver(`${hook}%1b%5b31m%0a%e2%80%ae`, payload('push'))
  await deliver(hook, payload('push', (push) => (push.ref = `refs/heads/${rtl}`)))
  expect(lines).toHaveLength(2)
  // oxlint-disable-next-line no-control-regex
  expect(lines.join('').replaceAll('\n', '')).not.toMatch(/[\x00-\x1f]|\\u00[01]|\\n|\\r/)
})

test('of a long reason only the beginning is answered and kept', async () => {
  const { hook, decisions, lines } = await receiver({ hooks: [{ id: 'amp_main', secret, refs: ['main'] }] })
  const answer = await deliver(hook, payload('push', (push) => (push.ref = `refs/heads/${'x'.repeat(900)}`)))
  expect(answer.body.reason).toHaveLength(500)
  expect(decisions[0]!.reason).toHaveLength(500)
  expect(JSON.parse(lines[0]!).msg.length).toBeLessThan(600)
})

test.each([
  ['of two words', 'two words'],
  ['beyond ASCII', 'd\u00e9j\u00e0'],
  ['of 201 characters', 'x'.repeat(201)],
])('a delivery id %s is malformed', async (_, id) => {
  const { hook, queued } = await receiver()
  expect(await deliver(hook, payload('push'), { id })).toMatchObject({ status: 400, body: { reason: expect.stringContaining('X-GitHub-Delivery') } })
  expect(queued).toEqual([])
})

test('a body over 25 MB is refused by its Content-Length, read no further, and the sender sees the answer', async () => {
  const { url } = await receiver()
  const { answer, sent } = await pour(url, [...headOf(26 * megabyte), `X-Hub-Signature-256: ${signature('x')}`], 26 * megabyte)
  expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close[\s\S]*larger than 25 MB/)
  expect(sent).toBeLessThan(20 * megabyte)
})

test('a body over 25 MB that does not tell its length is read to 25 MB and no further', async () => {
  const { url } = await receiver()
  const head = [...headOf(0).filter((line) => !line.startsWith('Content-Length')), 'Transfer-Encoding: chunked', `X-Hub-Signature-256: ${signature('x')}`]
  const { answer, sent } = await pour(url, head, 100 * megabyte, (chunk) => Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]))
  expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  expect(sent).toBeLessThan(45 * megabyte)
})

test('an unsigned body is not read at all', async () => {
  const { url } = await receiver()
  const { answer, sent } = await pour(url, headOf(20 * megabyte), 20 * megabyte)
  expect(answer).toMatch(/^HTTP\/1\.1 401 /)
  expect(sent).toBeLessThan(15 * megabyte)
})

test('a Content-Length that promises more than comes is malformed once the time is up', async () => {
  const { url, queued } = await receiver({ bounds: { ...bodyBounds, time: 200 } })
  const body = JSON.stringify(payload('push'))
  const head = [...headOf(body.length + 10), `X-Hub-Signature-256: ${signature(body)}`]
  expect(await talk(url, [request(head), body])).toMatch(/^HTTP\/1\.1 400 [\s\S]*not complete after 0.2 seconds/)
  expect(queued).toEqual([])
})

test('a Content-Length that promises less than comes is refused: as a wrong signature, or by the rest, which is no request', async () => {
  const { url, queued } = await receiver()
  const body = JSON.stringify(payload('push'))
  const head = [...headOf(body.length - 10), `X-Hub-Signature-256: ${signature(body)}`]
  expect(await talk(url, [request(head), body])).toMatch(/^HTTP\/1\.1 40[01] /)
  expect(queued).toEqual([])
})

test('a body that trickles in is given up, however lively', async () => {
  const { url } = await receiver({ bounds: { ...bodyBounds, time: 300 } })
  const head = [...headOf(1000), `X-Hub-Signature-256: ${signature('x')}`]
  const drops = Array.from({ length: 40 }, () => '{')
  expect(await talk(url, [request(head), ...drops], 20)).toMatch(/^HTTP\/1\.1 400 [\s\S]*not complete after 0.3 seconds/)
})

test('of bodies that together would fill the memory the oldest is asked to come later: those that hang keep nobody out', async () => {
  const { url, hook } = await receiver({ bounds: { ...bodyBounds, together: 20_000 } })
  const head = [...headOf(19_000), `X-Hub-Signature-256: ${signature('x')}`]
  const hanging = talk(url, [request(head), 'x'.repeat(18_000)])
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(await deliver(hook, payload('push'))).toMatchObject({ status: 202 })
  expect(await hanging).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 60[\s\S]*too many bodies/i)
})

test('a body that alone would fill the memory is asked to come later', async () => {
  const { hook } = await receiver({ bounds: { ...bodyBounds, together: 2000 } })
  expect(await deliver(hook, { text: 'x'.repeat(3000) })).toMatchObject({ status: 503, body: { result: 'unavailable' } })
})

test('what was received is not counted any more, however it ended', async () => {
  const { url, hook } = await receiver({ bounds: { ...bodyBounds, size: 20_000, together: 30_000 } })
  for (let time = 0; time < 6; time++) {
    expect(await deliver(hook, payload('push'))).toMatchObject({ status: 202 })
    await talk(url, [request([...headOf(0).filter((line) => !line.startsWith('Content-Length')), 'Transfer-Encoding: chunked', `X-Hub-Signature-256: ${signature('x')}`]), `6000\r\n${'x'.repeat(0x6000)}\r\n`])
  }
  expect(await deliver(hook, payload('push'))).toMatchObject({ status: 202 })
})

test('a sender who leaves in the middle is forgotten', async () => {
  const { url, hook, lines } = await receiver()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(`${request([...headOf(1000), `X-Hub-Signature-256: ${signature('x')}`])}{`)
  await new Promise((resolve) => setTimeout(resolve, 100))
  socket.destroy()
  await expect.poll(() => lines.join()).toContain('the connection ended before the body was complete')
  expect(await deliver(hook, payload('push'))).toMatchObject({ status: 202 })
})

test('a request with an impossible Host header is malformed', async () => {
  const { url } = await receiver()
  expect(await talk(url, ['GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n'])).toMatch(/^HTTP\/1\.1 400 /)
})

test('an error of the queue is 503, so that the sender keeps the delivery', async () => {
  const failure = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
  const { hook, decisions, lines } = await receiver({ queue: { enqueue: () => Promise.reject(failure) } })
  const answer = await deliver(hook, payload('push'))
  expect(answer).toMatchObject({ status: 503, body: { result: 'unavailable', reason: expect.stringContaining('ENOSPC') } })
  expect(answer.headers.get('retry-after')).toBe('60')
  expect(decisions).toMatchObject([{ decision: 'unavailable' }])
  expect(lines.join()).toContain('no space left on device')
})

test('what breaks in the receiver itself is told to its log, and to nobody who asks', async () => {
  const afterQueued = () => {
    throw new Error('no such file: /home/ci/private')
  }
  const { hook, lines } = await receiver({ afterQueued })
  const answer = await deliver(hook, payload('push'))
  expect(answer).toMatchObject({ status: 503, body: { result: 'unavailable' } })
  expect(JSON.stringify(answer.body)).not.toContain('private')
  expect(lines.join()).toContain('/home/ci/private')
})

function set(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop()!
  const holder = keys.reduce((object, key) => object[key] as Record<string, unknown>, target)
  holder[last] = value
}

function headOf(length: number): string[] {
  return ['Host: 127.0.0.1', 'Content-Type: application/json', `Content-Length: ${length}`, 'X-GitHub-Event: push', 'X-GitHub-Delivery: d']
}

function request(head: string[]): string {
  return `POST /webhook/amp_main HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`
}

/** Writes the parts with a pause between and returns the first answer. */
async function talk(url: string, parts: (string | Buffer)[], pause = 0): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.setNoDelay(true)
  socket.on('error', () => {})
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(data.toString()))
    socket.once('close', () => resolve(''))
  })
  for (const part of parts) {
    socket.write(part)
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
  }
  return answer.finally(() => socket.destroy())
}

/** Sends a long body as fast as it is taken, until it is all sent or the connection ends; returns the answer and how much was taken. */
async function pour(url: string, head: string[], size: number, frame = (chunk: Buffer) => chunk): Promise<{ answer: string; sent: number }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  let answer = ''
  let open = true
  socket.on('data', (data) => (answer += data.toString()))
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve(void (open = false))))
  socket.write(request(head))
  const chunk = Buffer.alloc(64 * 1024, 'x')
  let sent = 0
  while (open && sent < size) {
    if (!socket.write(frame(chunk))) await Promise.race([closed, new Promise((resolve) => socket.once('drain', resolve))])
    sent += chunk.length
  }
  await closed
  return { answer, sent }
}
