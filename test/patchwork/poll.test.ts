import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openPatchwork } from '../../src/patchwork/client.ts'
import { poll } from '../../src/patchwork/poll.ts'
import type { PollOptions } from '../../src/patchwork/poll-round.ts'
import { supersededBy } from '../../src/patchwork/series-ledger.ts'
import type { PatchworkSource } from '../../src/patchwork/settings.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import type { Request } from '../../src/model/request.ts'
import { startFakePatchwork, type FakePatchwork } from '../helpers/fake-patchwork.ts'
import { fakeSource } from '../helpers/poll-once.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const base = 'db91e083bcfc7643c5c1d3ea3983474132b8523a'
const minute = 60_000

interface Station {
  fake: FakePatchwork
  home: string
  queue: ReturnType<typeof openDirectoryQueue>
  poll(options?: Partial<PollOptions> & { source?: PatchworkSource }): ReturnType<typeof poll>
  source: PatchworkSource
  waiting(): Promise<Request[]>
  decisions(): { decision: string; reason: string; delivery?: string }[]
}

/** A server, a home, and a poll that begins at the newest event. */
async function station({ recorded = false, started = true, ...changes }: Partial<PatchworkSource> & { recorded?: boolean; started?: boolean } = {}): Promise<Station> {
  const fake = await startFakePatchwork({ recorded })
  onTestFinished(() => fake.close())
  const home = tempDir()
  const ledger = openLedger(join(home, 'ledger'))
  const queue = openDirectoryQueue(home, { ledger })
  const source = fakeSource(fake.url, changes)
  const client = openPatchwork({ url: source.url, project: source.project, backOff: 1, interval: 0 })
  const result: Station = {
    fake,
    home,
    queue,
    source,
    poll: (options = {}) => poll({ source, client, home, queue, ledger, tip: async () => base, now: () => Date.UTC(2026, 10, 21, 12), ...options }),
    waiting: async () => (await queue.list()).filter(({ state }) => state === 'waiting').map(({ request }) => request!),
    decisions: () =>
      readdirSync(join(home, 'ledger'))
        .filter((name) => /^\d{4}-.*\.jsonl$/.test(name))
        .flatMap((name) => readFileSync(join(home, 'ledger', name), 'utf8').trim().split('\n'))
        .map((line) => JSON.parse(line)),
  }
  if (started) await result.poll()
  return result
}

function mail(name: string) {
  return { name, mail: `Subject: ${name}\n\nText.\n\ndiff --git a/a b/a\n` }
}

test('the first poll starts at the newest event and queues nothing', async () => {
  const { poll: again, waiting, fake } = await station({ recorded: true, started: false })

  expect(await again()).toMatchObject({ queued: 0, events: 0 })
  expect(await again()).toMatchObject({ queued: 0, events: 0 })
  expect(await waiting()).toEqual([])
  fake.addSeries({ patches: [mail('[1/1] area: one')] })
  expect(await again()).toMatchObject({ queued: 1, events: 1 })
})

test('a completed series becomes one entry a pipeline, with its patches in the order n/m', async () => {
  const { poll: again, fake, waiting } = await station({ pipelines: ['job:x86', 'job:ppc'] })
  const { id } = fake.addSeries({ version: 2, submitter: { name: 'Zoë', email: 'zoe@example.com' }, cover: { name: '[v2,0/3] Three things', content: '' }, patches: [mail('[v2,3/3] c: d'), mail('[v2,1/3] a: b'), mail('[v2,2/3] b: c')] })

  await again()

  const entries = await waiting()
  expect(entries.map(({ pipeline }) => pipeline)).toEqual(['job:x86', 'job:ppc'])
  expect(entries[0]).toMatchObject({
    repository: 'ffmpeg',
    ref: 'refs/heads/master',
    commit_id: base,
    committer_name: 'Zoë',
    committer_email: 'zoe@example.com',
    clone_url: 'https://git.example.org/ffmpeg.git',
    source: 'patchwork',
    trusted: false,
    hook: 'patchwork:ffmpeg',
    delivery: `${new URL(fake.url).host}/${id}/2/job:x86`,
    series: { server: fake.url, project: 'ffmpeg', id, version: 2, name: 'Three things', each_patch: true, cover: { msgid: `<cover-${id}@example.com>` } },
  })
  expect(entries[0]!.series!.patches.map(({ n, name }) => [n, name])).toEqual([[1, '[v2,1/3] a: b'], [2, '[v2,2/3] b: c'], [3, '[v2,3/3] c: d']])
})

test.each([
  ['[PATCH2/2] b: c', '[PATCH1/2] a: b'],
  ['[2 of 2] b: c', '[1 of 2] a: b'],
])('parts numbered as %s are put in their order, too', async (second, first) => {
  const { poll: again, fake, waiting } = await station()
  fake.addSeries({ patches: [mail(second), mail(first)] })

  await again()

  expect((await waiting())[0]!.series!.patches.map(({ n, name }) => [n, name])).toEqual([[1, first], [2, second]])
})

test.each([false, true])('--since goes back, and everything recorded is decided once (polled before: %s)', async (started) => {
  const { poll: again, waiting, decisions } = await station({ recorded: true, started })

  const polled = await again({ since: '2026-11-20T00:00:00' })

  expect(polled).toMatchObject({ queued: 20, superseded: 2 })
  const names = (await waiting()).map(({ series }) => `${series!.id}v${series!.version}`)
  expect(names).toContain('8v2')
  expect(names).toContain('11v2')
  expect(names).not.toContain('2v1')
  expect(names).not.toContain('1v1')
  expect(new Set(names).size).toBe(names.length)
  // The 4/3 that came late completed series 2 a second time.
  if (!started) expect(decisions().filter(({ reason }) => reason.includes('late patch'))).toHaveLength(1)
  expect(await again()).toMatchObject({ events: 0, queued: 0 })
})

test('a series is queued once, however often it is polled', async () => {
  const { poll: again, fake, queue } = await station()
  fake.addSeries({ patches: [mail('area: one')] })

  expect(await again()).toMatchObject({ queued: 1 })
  expect(await again()).toMatchObject({ events: 0, queued: 0 })
  expect(await queue.list()).toHaveLength(1)
})

test('an event that becomes visible after newer ones is found', async () => {
  const { poll: again, fake, waiting } = await station()
  const late = fake.addSeries({ patches: [mail('area: late')], completed: false })
  for (let index = 0; index < 3; index++) fake.addSeries({ patches: [mail(`area: ${index}`)] })
  expect(await again()).toMatchObject({ queued: 3 })

  fake.addEvent({ category: 'series-completed', series: late.id, date: fake.events[1]!.date })

  expect(await again()).toMatchObject({ queued: 1 })
  expect((await waiting()).map(({ series }) => series!.id)).toContain(late.id)
})

test('a thousand events over several pages are all taken, in order', { tags: 'long' }, async () => {
  const { poll: again, fake, waiting } = await station()
  for (let index = 0; index < 1000; index++) fake.addSeries({ patches: [mail(`area: number ${index}`)] })

  expect(await again()).toMatchObject({ queued: 1000 })
  const ids = (await waiting()).map(({ series }) => series!.id)
  expect(ids).toEqual(ids.toSorted((a, b) => a - b))
})

test('a series that says completed before its last patch is there waits, and is queued when it has come', async () => {
  const { poll: again, fake, waiting } = await station()
  const { id } = fake.addSeries({ total: 3, patches: [mail('[1/3] a: b'), mail('[2/3] b: c')], completed: true })

  expect(await again()).toMatchObject({ queued: 0, waiting: 1 })
  const series = fake.series.get(id)!
  fake.addPatch(id, mail('[3/3] c: d'))
  series.received_all = true
  expect(await again()).toMatchObject({ queued: 1, waiting: 0 })
  expect((await waiting())[0]!.series!.patches).toHaveLength(3)
})

test('received_all with a patch that is not shown yet is not complete', async () => {
  const { poll: again, fake } = await station()
  fake.addSeries({ total: 2, patches: [mail('[1/2] a: b')], receivedAll: true, completed: true })

  expect(await again()).toMatchObject({ queued: 0, waiting: 1 })
})

test('a series that never completes is decided after the limit, with the missing parts named, and built if they come after all', async () => {
  const { poll: again, fake, decisions } = await station()
  const { id } = fake.addSeries({ total: 4, patches: [mail('[1/4] a: b'), mail('[3/4] c: d')] })

  expect(await again()).toMatchObject({ ignored: 0 })
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 13, 59) })).toMatchObject({ ignored: 0 })
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 14, 1) })).toMatchObject({ ignored: 1 })
  expect(decisions().at(-1)).toMatchObject({ decision: 'ignored', reason: expect.stringContaining('2/4, 4/4 are missing'), delivery: expect.stringMatching(new RegExp(`/${id}$`)) })
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 15) })).toMatchObject({ ignored: 0 })
  fake.addPatch(id, mail('[2/4] b: c'))
  fake.addPatch(id, mail('[4/4] d: e'))
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 16) })).toMatchObject({ queued: 1 })
})

test.each([
  ['is asked too often', { status: 429, body: '' }],
  ['has another answer in its place', { status: 200, body: '<html>Back in a minute</html>' }],
])('a series whose limit ends while the server %s is built if its missing parts come after all', async (_, answer) => {
  const { poll: again, fake } = await station()
  const { id } = fake.addSeries({ total: 2, patches: [mail('[1/2] a: b')] })
  await again()
  fake.troubles.push({ match: new RegExp(`/series/${id}/`), times: 3, ...answer })

  expect(await again({ now: () => Date.UTC(2026, 10, 21, 14, 1) })).toMatchObject({ ignored: 0 })
  fake.troubles.length = 0
  fake.addPatch(id, mail('[2/2] b: c'))
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 14, 2) })).toMatchObject({ queued: 1 })
})

test('a lone [PATCH v2 2/3], which the server completes never and names not, is decided', async () => {
  const { poll: again, fake, decisions } = await station()
  fake.addSeries({ name: null, version: 2, total: 3, patches: [mail('[v2,2/3] a: b')] })

  await again()
  await again({ now: () => Date.UTC(2026, 10, 21, 15) })

  expect(decisions().at(-1)!.reason).toContain('1/3, 3/3 are missing')
})

test('a series whose completion was never told is found by its first mail', async () => {
  const { poll: again, fake } = await station()
  fake.addSeries({ patches: [mail('area: one')], completed: false })

  expect(await again()).toMatchObject({ queued: 0 })
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 15) })).toMatchObject({ queued: 1 })
})

test('a newer version drops the older one while it waits', async () => {
  const { poll: again, fake, home, waiting, decisions } = await station()
  const v1 = fake.addSeries({ patches: [mail('[1/1] area: do it')] })
  await again()
  const v2 = fake.addSeries({ version: 2, patches: [mail('[v2] area: do  It')] })

  expect(await again()).toMatchObject({ queued: 1, superseded: 1 })
  expect((await waiting()).map(({ series }) => series!.id)).toEqual([v2.id])
  expect(supersededBy(home, { server: fake.url, id: v1.id })).toEqual({ by: v2.id, version: 2 })
  expect(decisions().filter(({ reason }) => reason.includes('superseded'))).toHaveLength(1)
})

test('a newer version that is not complete at once drops the older one as soon as it is', async () => {
  const { poll: again, fake, home, waiting } = await station()
  const v1 = fake.addSeries({ patches: [mail('area: do it')] })
  await again()
  const v2 = fake.addSeries({ version: 2, name: 'area: do it', total: 2, patches: [mail('[v2,1/2] area: do it')], receivedAll: true, completed: true })
  expect(await again()).toMatchObject({ queued: 0, waiting: 1 })
  fake.addPatch(v2.id, mail('[v2,2/2] area: more'))

  expect(await again()).toMatchObject({ queued: 1, superseded: 1 })
  expect((await waiting()).map(({ series }) => series!.id)).toEqual([v2.id])
  expect(supersededBy(home, { server: fake.url, id: v1.id })).toEqual({ by: v2.id, version: 2 })
})

test('a newer version cancels the build of the older one', async () => {
  const { poll: again, fake, home, queue } = await station()
  fake.addSeries({ patches: [mail('area: do it')] })
  await again()
  const claim = await queue.claim(() => ({ pipeline: 'x86', number: 7 }))
  const v2 = fake.addSeries({ version: 2, patches: [mail('[v2] area: do it')] })

  expect(await again()).toMatchObject({ queued: 1, superseded: 1 })
  expect(readFileSync(join(home, 'builds/x86/7/cancel'), 'utf8')).toBe(`superseded by version 2, series ${v2.id}\n`)
  await queue.finish(claim!)
})

test('a newer version cancels the build of the older one that a builder put back: its record must end', async () => {
  const { poll: again, fake, home, queue } = await station()
  fake.addSeries({ patches: [mail('area: do it')] })
  await again()
  const claim = (await queue.claim(() => ({ pipeline: 'x86', number: 7 })))!
  await queue.release(claim)
  const v2 = fake.addSeries({ version: 2, patches: [mail('[v2] area: do it')] })

  expect(await again()).toMatchObject({ queued: 1, superseded: 1 })
  expect(readFileSync(join(home, 'builds/x86/7/cancel'), 'utf8')).toContain(`series ${v2.id}`)
  expect(await queue.find(claim.entry)).toMatchObject({ state: 'waiting', build: { pipeline: 'x86', number: 7 } })
})

test('a resend by the same author supersedes; the same title by another does not', async () => {
  const { poll: again, fake, waiting } = await station()
  fake.addSeries({ patches: [mail('area: do it')] })
  const other = fake.addSeries({ patches: [mail('area: do it')], submitter: { name: 'Bo', email: 'bo@example.com' } })
  const resend = fake.addSeries({ patches: [mail('[RESEND] area: do it')] })

  expect(await again()).toMatchObject({ queued: 3, superseded: 1 })
  expect((await waiting()).map(({ series }) => series!.id)).toEqual([other.id, resend.id])
})

test('an older version that comes after the newer one is not built', async () => {
  const { poll: again, fake, waiting } = await station()
  const v2 = fake.addSeries({ version: 2, patches: [mail('[v2] area: do it')] })
  fake.addSeries({ version: 1, patches: [mail('area: do it')] })

  await again()

  expect((await waiting()).map(({ series }) => series!.id)).toEqual([v2.id])
})

test('an older version, or an earlier mailing of the same, that is completed days after the newer one was queued is not built', async () => {
  const { poll: again, fake, waiting, decisions, home } = await station()
  const parts = (...names: string[]) => ({ name: 'area: do it', patches: names.map(mail), total: 2 })
  const first = fake.addSeries(parts('[1/2] a: b'))
  const second = fake.addSeries({ ...parts('[v2,1/2] a: b'), version: 2 })
  const resent = fake.addSeries({ ...parts('[v2,1/2] a: b', '[v2,2/2] b: c'), version: 2 })
  const ids = async () => (await waiting()).map(({ series }) => series!.id)
  await again()
  expect(await ids()).toEqual([resent.id])

  fake.addPatch(first.id, mail('[2/2] b: c'))
  fake.addPatch(second.id, mail('[v2,2/2] b: c'))
  await again({ now: () => Date.UTC(2026, 10, 23, 18) })

  expect(await ids()).toEqual([resent.id])
  expect(supersededBy(home, { server: fake.url, id: resent.id })).toBeUndefined()
  expect(decisions().map(({ reason }) => reason).filter((reason) => reason.startsWith('superseded'))).toEqual(Array(2).fill(`superseded: version 2 of it, series ${resent.id}, came before`))
})

test('an older version is built while a newer one lacks parts, and gives way when these come', async () => {
  const { poll: again, fake, waiting } = await station()
  const ids = async () => (await waiting()).map(({ series }) => series!.id)
  const one = fake.addSeries({ name: 'area: do it', patches: [mail('[1/2] a: b')], total: 2 })
  const two = fake.addSeries({ name: 'area: do it', version: 2, patches: [mail('[v2,1/2] a: b')], total: 2, completed: true })
  await again()
  fake.addPatch(one.id, mail('[2/2] b: c'))
  await again()
  expect(await ids()).toEqual([one.id])

  fake.addPatch(two.id, mail('[v2,2/2] b: c'))
  await again()
  expect(await ids()).toEqual([two.id])
})

test('a backlog older than the limit expires with a decision, by the clock of the server', async () => {
  const { poll: again, fake, decisions, waiting } = await station()
  fake.addSeries({ patches: [mail('area: first')] })
  await again()
  fake.addSeries({ patches: [mail('area: old')], date: '2026-11-25T10:00:00.000000' })
  const fresh = fake.addSeries({ patches: [mail('area: fresh')], date: '2026-11-29T10:00:00.000000' })

  expect(await again({ now: () => Date.UTC(2026, 10, 29, 11) })).toMatchObject({ queued: 1, ignored: 1 })
  expect(decisions().filter(({ reason }) => reason.includes('expired'))).toHaveLength(1)
  expect((await waiting()).at(-1)!.series!.id).toBe(fresh.id)
})

test('a backlog without anything fresh behind it expires by our own clock, whatever the zone', async () => {
  const { poll: again, fake } = await station()
  fake.addSeries({ patches: [mail('area: old')] })

  expect(await again({ now: () => Date.UTC(2026, 10, 30) })).toMatchObject({ queued: 0, ignored: 1 })
})

test('what has expired is built all the same by a poll that goes back', async () => {
  const { poll: again, fake, waiting } = await station()
  const { id } = fake.addSeries({ patches: [mail('area: one')] })
  const later = { now: () => Date.UTC(2026, 10, 26, 12) }

  expect(await again(later)).toMatchObject({ ignored: 1, queued: 0 })
  expect(await again({ ...later, since: '2026-11-01T00:00:00' })).toMatchObject({ queued: 1 })
  expect((await waiting()).map(({ series }) => series!.id)).toEqual([id])
  expect(await again({ ...later, since: '2026-11-01T00:00:00' })).toMatchObject({ queued: 0 })
})

test('a first poll that goes back and is cut short is gone on with by the next one', async () => {
  const { poll: again, fake, waiting } = await station({ started: false })
  const ids = Array.from({ length: 251 }, (_, index) => fake.addSeries({ patches: [mail(`area: ${index}`)] }).id)
  fake.troubles.push({ match: /[?&]page=2/, times: 3, status: 502 })
  await expect(again({ since: '2026-01-01T00:00:00' })).rejects.toThrow('502')
  expect(await waiting()).toHaveLength(250)

  await again()
  const next = fake.addSeries({ name: 'area: 0', version: 2, patches: [mail('[v2] area: 0')] })
  await again()

  expect((await waiting()).map(({ series }) => series!.id)).toEqual([...ids.slice(1), next.id])
})

test('what is completed in the hour that the clock of the server goes through a second time is not missed', async () => {
  const { poll: again, fake } = await station()
  const completed = (name: string, time: string) => fake.addSeries({ patches: [mail(`area: ${name}`)], date: `2026-11-21T${time}.000001` })
  completed('before', '10:59:00')
  expect(await again()).toMatchObject({ queued: 1 })

  completed('in it', '10:10:00')
  expect(await again()).toMatchObject({ queued: 1 })
})

test('an event dated years ahead, by a clock of the server that was wrong for a while, keeps no later one from being seen', async () => {
  const { poll: again, fake } = await station({ recorded: true })
  fake.addSeries({ patches: [mail('area: before')] })
  fake.addSeries({ patches: [mail('area: ahead')], date: '2029-11-21T10:00:00.000000' })
  expect(await again()).toMatchObject({ queued: 2 })
  fake.addSeries({ patches: [mail('area: today')] })

  expect(await again()).toMatchObject({ queued: 1, ignored: 0 })
  expect(await again()).toMatchObject({ events: 0 })
})

test('nor does it where it is the newest one when a project is polled for the first time', async () => {
  const { poll: again, fake } = await station({ recorded: true, started: false })
  fake.addSeries({ patches: [mail('area: ahead')], date: '2029-11-21T10:00:00.000000' })
  expect(await again()).toMatchObject({ queued: 0 })
  fake.addSeries({ patches: [mail('area: today')] })

  expect(await again()).toMatchObject({ queued: 1, ignored: 0 })
  expect(await again()).toMatchObject({ events: 0 })
})

test('a server whose clock is always years ahead is polled by it', async () => {
  const { poll: again, fake } = await station({ started: false })
  fake.addSeries({ patches: [mail('area: one')], date: '2029-11-21T10:00:00.000000' })
  await again()
  fake.addSeries({ patches: [mail('area: two')], date: '2029-11-22T10:00:00.000000' })

  expect(await again()).toMatchObject({ queued: 1, ignored: 0 })
  expect(fake.requests.at(-1)!.path).toContain('since=2029')
})

test('a project that the server does not know is an error at the start, since a filter by it finds nothing', async () => {
  const { poll: again, fake, source, home } = await station({ started: false })
  const client = openPatchwork({ url: fake.url, project: 'nope' })

  await expect(again({ client, source: { ...source, project: 'nope' } })).rejects.toThrow(/has no project "nope"/)
  expect(readdirSync(join(home, 'ledger/patchwork')).filter((name) => name.endsWith('.jsonl'))).toEqual([])
})

test('a server that answers HTML for minutes loses nothing', async () => {
  const { poll: again, fake } = await station()
  fake.addSeries({ patches: [mail('area: one')] })
  fake.troubles.push({ match: /events/, times: 3, status: 502, body: '<html><title>502 Bad Gateway</title></html>', headers: { 'content-type': 'text/html' } })

  await expect(again()).rejects.toThrow(/502: 502 Bad Gateway/)
  expect(await again()).toMatchObject({ queued: 1 })
})

test('a series that cannot be read does not hold up the others, and is tried again', async () => {
  const { poll: again, fake } = await station()
  const { id } = fake.addSeries({ patches: [mail('area: one')] })
  fake.addSeries({ patches: [mail('area: two')] })
  fake.troubles.push({ match: new RegExp(`series/${id}/`), times: 6, status: 500, body: 'oops' })

  expect(await again()).toMatchObject({ queued: 1, waiting: 1 })
  expect(await again()).toMatchObject({ queued: 1, waiting: 0 })
})

test('series that the server can never show, however many, hold up no other one and are given up', async () => {
  const { poll: again, fake, waiting, decisions } = await station()
  for (const number of [1, 2, 3, 4]) fake.addSeries({ patches: [mail(`area: ${number}`)] })
  const { id } = fake.addSeries({ patches: [mail('area: late')], total: 2, completed: true })
  fake.troubles.push({ match: /series\/[1-4]\//, times: 1000, status: 500, body: '' })
  for (let poll = 0; poll < 3; poll++) await again().catch(() => undefined)

  fake.addPatch(id, mail('area: last'))
  fake.events.pop()
  for (let poll = 0; poll < 3; poll++) await again({ now: () => Date.UTC(2026, 10, 25, 12) }).catch(() => undefined)

  expect((await waiting()).map(({ series }) => series!.id)).toEqual([id])
  expect(decisions().filter(({ reason }) => reason.startsWith('it could not be read'))).toHaveLength(4)
})

test('series that are gone from the server, however many, hold up no other one and are given up', async () => {
  const { poll: again, fake, decisions } = await station()
  const gone = [1, 2, 3, 4].map((number) => fake.addSeries({ patches: [mail(`area: ${number}`)] }).id)
  fake.addSeries({ patches: [mail('area: stays')] })
  for (const id of gone) fake.series.delete(id)

  expect(await again()).toMatchObject({ queued: 1, waiting: 4 })
  expect(await again({ now: () => Date.UTC(2026, 10, 21, 15) })).toMatchObject({ ignored: 4, waiting: 0 })
  expect(decisions().at(-1)!.reason).toContain('404: Not found')
})

test('a long Retry-After is heeded by the next polls too', async () => {
  const { poll: again, fake } = await station()
  fake.troubles.push({ match: /events/, times: 1, status: 429, headers: { 'retry-after': '600' }, body: '' })
  const start = Date.UTC(2026, 10, 21, 12)

  await expect(again()).rejects.toThrow(/429/)
  const asked = fake.requests.length
  expect(await again({ now: () => start + 9 * minute })).toMatchObject({ skipped: expect.stringContaining('left alone') })
  expect(fake.requests).toHaveLength(asked)
  expect(await again({ now: () => start + 11 * minute })).not.toHaveProperty('skipped')
})

test('what was put off by a clock that was years ahead is done once the clock is right again', async () => {
  const { poll: again, fake } = await station()
  const [start, ahead] = [Date.UTC(2026, 10, 21, 12), Date.UTC(2036, 10, 21)]
  await again({ now: () => ahead })
  fake.troubles.push({ match: /events/, times: 1, status: 429, headers: { 'retry-after': '600' }, body: '' })
  await expect(again({ now: () => ahead })).rejects.toThrow(/429/)
  const asked = fake.requests.length
  expect(await again({ now: () => start + 30 * minute })).not.toHaveProperty('skipped')
  expect(fake.requests.slice(asked).filter(({ path }) => path.includes('series-created'))).not.toEqual([])
})

test.each([
  ['a Retry-After of years', '99999999999999', 0],
  ['a Retry-After that was heeded while our clock was years ahead', '600', 20_000_000 * minute],
])('%s does not end the polling', async (_, retryAfter, ahead) => {
  const { poll: again, fake } = await station()
  fake.troubles.push({ match: /events/, times: 1, status: 429, headers: { 'retry-after': retryAfter }, body: '' })
  const start = Date.UTC(2026, 10, 21, 12)

  await expect(again({ now: () => start + ahead })).rejects.toThrow(/429/)
  expect(await again({ now: () => start + ahead + minute })).toMatchObject({ skipped: expect.stringContaining('left alone') })
  expect(await again({ now: () => start + 61 * minute })).not.toHaveProperty('skipped')
})

test('what could not be made durable is not remembered', async () => {
  const { poll: again, fake, queue } = await station()
  fake.addSeries({ patches: [mail('area: one')] })
  const full = { ...queue, enqueue: () => Promise.reject(new Error('ENOSPC: no space left on device')) }

  await expect(again({ queue: full })).rejects.toThrow('ENOSPC')
  expect(await again()).toMatchObject({ queued: 1 })
})

test('a series that makes no valid request is ignored with the reason', async () => {
  const { poll: again, fake, decisions, source } = await station()
  fake.addSeries({ patches: [mail('area: one')] })

  expect(await again({ source: { ...source, tree: 'not a url' } })).toMatchObject({ ignored: 1, queued: 0 })
  expect(decisions().at(-1)!.reason).toContain('clone_url')
})

test('a project of as long a name as quern.yaml takes is built', async () => {
  const { poll: again, fake, source } = await station()
  fake.addSeries({ patches: [mail('area: one')] })

  expect(await again({ source: { ...source, project: 'p'.repeat(100) }, since: '2026-01-01T00:00:00' })).toMatchObject({ ignored: 0, queued: 1 })
})

test('two projects of one home do not know of each other', async () => {
  const first = await station()
  const second = await startFakePatchwork()
  onTestFinished(() => second.close())
  const source = { ...first.source, url: second.url }
  const client = openPatchwork({ url: second.url, project: 'ffmpeg', interval: 0 })
  await first.poll({ source, client })
  first.fake.addSeries({ patches: [mail('area: do it')] })
  second.addSeries({ patches: [mail('area: do it')] })

  expect(await first.poll()).toMatchObject({ queued: 1 })
  expect(await first.poll({ source, client })).toMatchObject({ queued: 1, superseded: 0 })
  expect(await first.waiting()).toHaveLength(2)
})

test('a second poll of the same project leaves at once', async () => {
  const { poll: again, fake } = await station()
  fake.troubles.push({ match: /events/, times: 1, status: 200, hang: true })
  const client = openPatchwork({ url: fake.url, project: 'ffmpeg', timeout: 500, tries: 1 })
  const slow = again({ client })
  slow.catch(() => undefined)

  expect(await again()).toMatchObject({ skipped: 'another process polls it' })
  await expect(slow).rejects.toThrow(/no answer: nothing within 0.5 s/)
})

test('reads carry no token and say who asks', async () => {
  const { fake } = await station()

  expect(fake.requests.length).toBeGreaterThan(0)
  for (const { headers } of fake.requests) {
    expect(headers.authorization).toBeUndefined()
    expect(headers['user-agent']).toMatch(/^quern/)
    expect(headers.accept).toBe('application/json')
  }
})
