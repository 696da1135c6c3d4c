import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openPatchwork } from '../../src/patchwork/client.ts'
import { checkContext, checkDescription, checkReport, checkTargetUrl, jobContext, openPatchworkChecks, type PatchworkCheck } from '../../src/publish/patchwork-check.ts'
import { openOutbox } from '../../src/publish/outbox.ts'
import type { Publisher } from '../../src/publish/publisher.ts'
import { writeReport } from '../../src/publish/report-file.ts'
import { inactiveToken, maintainerToken, startFakePatchwork, strangerToken, type FakePatchwork } from '../helpers/fake-patchwork.ts'
import { tempDir } from '../helpers/temp-dir.ts'

interface Desk {
  fake: FakePatchwork
  token: string
  publisher: Publisher
  check(changes?: Partial<PatchworkCheck>): PatchworkCheck
  post(changes?: Partial<PatchworkCheck>): ReturnType<Publisher['publish']>
  rehearsed: PatchworkCheck[]
}

async function desk({ token = maintainerToken, rehearse = false, outdated, ended = false }: { token?: string | undefined; rehearse?: boolean; outdated?: string; ended?: boolean } = {}): Promise<Desk> {
  const fake = await startFakePatchwork({ recorded: true })
  onTestFinished(() => fake.close())
  const client = openPatchwork({ url: fake.url, project: 'ffmpeg', backOff: 1, timeout: 2000, ...(token !== '' && { token }) })
  const rehearsed: PatchworkCheck[] = []
  const publisher = openPatchworkChecks({ servers: [{ client, rehearse }], outdated: () => outdated, ended: () => ended, retold: () => undefined, rehearsed: (check) => rehearsed.push(check) })
  const check = (changes: Partial<PatchworkCheck> = {}): PatchworkCheck => ({ server: fake.url, project: 'ffmpeg', series: 2, patch: 2, state: 'success', context: 'make_x86', description: 'passed', target_url: 'https://ci.example.org/builds/x86/1', ...changes })
  return { fake, token, publisher, check, rehearsed, post: (changes) => publisher.publish(checkReport('x86/1', check(changes), '2026-11-21T10:00:00Z')) }
}

test('a check is posted on the patch, with its state, description and page, and never a user', async () => {
  const { fake, post } = await desk()

  expect(await post()).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)).toMatchObject([{ state: 'success', context: 'make_x86', description: 'passed', target_url: 'https://ci.example.org/builds/x86/1', user: { username: 'ci' } }])
  expect(fake.requests.filter(({ method }) => method === 'POST').map(({ path }) => path)).toEqual(['/api/1.3/patches/2/checks/'])
})

test('a check that is there already is not posted again', async () => {
  const { fake, post } = await desk()

  await post({ state: 'pending' })
  await post()
  expect(await post()).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)!.map(({ state }) => state)).toEqual(['pending', 'success'])
})

test('an answer that was lost after the server took the check leads to no second one', async () => {
  const { fake, post, check } = await desk()
  // The server took it, and a proxy in front of it answered for it.
  await fetch(`${fake.url}/api/1.3/patches/2/checks/`, { method: 'POST', headers: { authorization: `Token ${maintainerToken}`, 'content-type': 'application/json' }, body: JSON.stringify({ state: 'success', context: 'make_x86', description: 'passed', target_url: check().target_url }) })

  expect(await post()).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)).toHaveLength(1)
})

test('a page that says it is well in the place of the server has not taken a check', async () => {
  const { fake, post } = await desk()
  fake.troubles.push({ match: /POST/, times: 1, status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Back in a minute</html>' })

  expect(await post()).toEqual({ kind: 'later', reason: expect.stringContaining('expected the new check, got text/html: <html>') })
  expect(await post()).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)).toHaveLength(1)
})

test('a late pending does not hide the result of the same run; one of another run is posted', async () => {
  const { fake, post } = await desk()
  await post()

  expect(await post({ state: 'pending', description: 'queued' })).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)).toHaveLength(1)
  await post({ state: 'pending', description: 'queued', target_url: 'https://ci.example.org/builds/x86/2' })
  expect(fake.checks.get(2)!.map(({ state }) => state)).toEqual(['success', 'pending'])
})

test.each([
  ['', /may not post checks .*without token_env no token is sent/],
  [strangerToken, /has to be a maintainer of the project/],
  [inactiveToken, /user is not active/],
  ['0'.repeat(40), /does not know the token/],
])('a refused token keeps the check, and says which of the reasons it is', async (token, reason) => {
  const { fake, post } = await desk({ token })

  expect(await post()).toEqual({ kind: 'later', reason: expect.stringMatching(reason) })
  expect(fake.checks.get(2)).toBeUndefined()
})

test.each([
  ['502 for minutes', { status: 502, body: '<html><title>502 Bad Gateway</title></html>', headers: { 'content-type': 'text/html' } }, /502 Bad Gateway/],
  ['HTML with 200', { status: 200, body: '<!doctype html>\n<h1>maintenance</h1>', headers: { 'content-type': 'text/html' } }, /expected JSON, got text\/html/],
  ['no answer', { status: 200, hang: true }, /no answer: nothing within 2 s/],
  ['a redirect', { status: 301, headers: { location: 'https://elsewhere.example.org/' }, body: '' }, /redirect/],
])('%s keeps the check', async (_, trouble, reason) => {
  const { fake, post } = await desk()
  fake.troubles.push({ match: /checks/, times: 3, ...trouble })

  expect(await post()).toEqual({ kind: 'later', reason: expect.stringMatching(reason) })
})

test('the token is not sent to where the server redirects', async () => {
  const { fake, post } = await desk()
  const other = await startFakePatchwork()
  onTestFinished(() => other.close())
  fake.troubles.push({ match: /POST .*checks/, times: 1, status: 307, headers: { location: `${other.url}/api/1.3/patches/2/checks/` }, body: '' })

  expect(await post()).toMatchObject({ kind: 'later' })
  expect(other.requests).toEqual([])
})

test('what the server says is wrong with a check, or its patch being gone, is for good', async () => {
  const { fake, post } = await desk()

  expect(await post({ patch: 99999 })).toEqual({ kind: 'refused', reason: expect.stringContaining('404: Not found.') })
  fake.troubles.push({ match: /POST/, times: 1, status: 400, body: '{"description": ["Null characters are not allowed."]}' })
  expect(await post()).toEqual({ kind: 'refused', reason: expect.stringContaining('description: Null characters are not allowed.') })
})

test('a NUL or a colour in a description does not stop it', async () => {
  const { fake, post } = await desk()

  expect(await post({ description: 'a\0b \u001b[31mred\u001b[0m' })).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)![0]!.description).toBe('a\ufffdb red')
})

test('a line that is cut within a character is told all the same: the server takes no half of one', async () => {
  const { fake, post } = await desk()

  expect(await post({ description: checkDescription(`${'x'.repeat(499)}\u{1f600} is no number`) })).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)![0]!.description).toBe(`${'x'.repeat(499)}\ufffd`)
})

test('a description is compared as the server keeps it, without the blanks around it: a check that is there is not posted again', async () => {
  const { fake, post } = await desk()
  const cut = checkDescription(`${'x'.repeat(499)} and more`)

  await post({ description: cut })
  await post({ description: cut })
  expect(fake.checks.get(2)!.map(({ description }) => description)).toEqual(['x'.repeat(499)])
})

test('a server that refuses its checks keeps no other one from its own', async () => {
  const [refusing, other] = [await desk({ token: strangerToken }), await desk()]
  const home = tempDir()
  const outbox = openOutbox(home, { decide: () => undefined })
  const build = join(home, 'builds/x86/1')
  mkdirSync(build, { recursive: true })
  const write = (check: PatchworkCheck, due: number) => writeReport(build, { ...checkReport('x86/1', check, new Date().toISOString()), not_before: new Date(due).toISOString() })
  for (const context of ['a', 'b', 'c', 'd']) write(refusing.check({ context }), Date.now())
  write(other.check({ context: 'e' }), Date.now() + 2000)
  outbox.handOver(build)
  const servers = [refusing, other].map(({ fake, token }) => ({ client: openPatchwork({ url: fake.url, project: 'ffmpeg', backOff: 1, token }), rehearse: false }))
  const publisher = openPatchworkChecks({ servers, outdated: () => undefined, ended: () => false, retold: () => undefined, rehearsed: () => undefined })

  expect(await outbox.deliverDue({ 'patchwork-check': publisher }, Date.now() + 60_000)).toMatchObject({ sent: 1, later: 3 })
  expect(other.fake.checks.get(2)).toMatchObject([{ context: 'e' }])
})

test('a series of which a newer version came is told nothing any more', async () => {
  const { fake, post } = await desk({ outdated: 'superseded by version 2' })

  expect(await post()).toEqual({ kind: 'dropped', reason: 'superseded by version 2' })
  expect(fake.requests).toEqual([])
})

test('a rehearsal posts nothing', async () => {
  const { fake, post, check, rehearsed } = await desk({ rehearse: true })

  expect(await post()).toEqual({ kind: 'sent' })
  expect(rehearsed).toEqual([check()])
  expect(fake.requests).toEqual([])
})

test('a server that is not configured any more gets nothing', async () => {
  const { post } = await desk()

  expect(await post({ project: 'widgets' })).toMatchObject({ kind: 'refused' })
})

test('a pending check and its result are two reports, the same one twice is one', async () => {
  const { check } = await desk()
  const id = (changes: Partial<PatchworkCheck> = {}) => checkReport('x86/1', check(changes), 'now').id

  expect(new Set([id(), id({ state: 'pending' }), id({ patch: 3 }), id({ context: 'other' }), id({ description: 'other words' })]).size).toBe(4)
  expect(id()).toMatch(/^[\w-]+$/)
})

test('contexts are slugs', () => {
  expect(checkContext('make fate', 'x86')).toBe('make_fate_x86')
  expect(jobContext('x86/make_fate')).toBe('make_fate_x86')
  expect(jobContext('make')).toBe('make')
  expect(checkContext('job/ü: $(x)')).toMatch(/^[A-Za-z0-9_-]+$/)
  expect(checkContext('日本')).toBe('quern')
  expect(checkContext('a'.repeat(300)).length).toBeLessThanOrEqual(100)
})

test('a page that the server would not take is left out', () => {
  expect(checkTargetUrl('https://ci.example.org/run/1')).toBe('https://ci.example.org/run/1')
  expect(checkTargetUrl('http://localhost:8196/run/1')).toBe('http://localhost:8196/run/1')
  expect(checkTargetUrl('http://ci/run/1')).toBeUndefined()
  expect(checkTargetUrl(`https://ci.example.org/${'x'.repeat(200)}`)).toBeUndefined()
  expect(checkTargetUrl('javascript:alert(1)')).toBeUndefined()
  expect(checkTargetUrl('/run/1')).toBeUndefined()
  expect(checkTargetUrl(undefined)).toBeUndefined()
})

test('a description is the first line, and the excerpt where it fits', () => {
  expect(checkDescription('error:\n no', 'a\nb')).toBe('error: no\n\na\nb')
  expect(checkDescription('error', 'x'.repeat(3000))).toBe('error')
})

test('a pending check that comes when its build has ended is not posted, since it would hide the result', async () => {
  const { fake, post } = await desk({ ended: true })

  expect(await post({ state: 'pending', target_url: undefined })).toEqual({ kind: 'sent' })
  expect(fake.checks.get(2)).toBeUndefined()
  await post({ state: 'fail' })
  expect(fake.checks.get(2)).toMatchObject([{ state: 'fail' }])
})
