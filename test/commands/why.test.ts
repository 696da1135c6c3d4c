import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventsAbout } from '../../src/commands/events-about.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { openOutbox } from '../../src/publish/outbox.ts'
import { writeReport } from '../../src/publish/report-file.ts'
import { aRequest } from '../helpers/a-request.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { homeWithBuilds } from '../helpers/home-with-builds.ts'
import { runQuern } from '../helpers/run-quern.ts'

const delivered = aRequest({ source: 'github', trusted: true, hook: 'amp_main', delivery: '72d3162e-cc78-11e3-81ab-4c9367dc0958' })

test('a commit, its delivery, its entry and its build all lead to the one decision and its history', async () => {
  const { home, ledger, accept, decide } = homeWithBuilds()
  const entry = await accept(delivered)
  await decide('failed', { reason: 'The build failed with exit code 2.' })
  ledger.decide({ decision: 'duplicate', reason: 'this delivery was accepted before', hook: 'amp_main', delivery: delivered.delivery, entry })
  ledger.decide({ decision: 'mailed', reason: 'mail to ada@example.org', build: 'app/1' })
  for (const key of [delivered.commit_id.slice(0, 7), delivered.delivery!, entry, `queue/${entry}`, 'app/1']) {
    const { code, stdout } = await runQuern(home, ['why', key])
    expect(code).toBe(0)
    expect(stdout.split('\n')[0]).toBe('failed: The build failed with exit code 2.')
    expect([...stdout.matchAll(/^ {2}\d{4}-\d\d-\d\d [\d:]{8} +(\S+)/gm)].map((match) => match[1])).toEqual(['queued', 'building', 'failed', 'duplicate', 'mailed'])
  }
})

test('a series that waited for parts, or was given up, is told as queued once it is', async () => {
  const { home, ledger } = homeWithBuilds()
  const series = { hook: 'patchwork:amp', delivery: 'patchwork.example.org/77' }
  const queued = { decision: 'queued', reason: 'the series is complete: 1-a.json', ...series }
  for (const before of ['waiting', 'ignored']) {
    ledger.decide({ decision: before, reason: 'incomplete: 2/3 is missing', ...series })
    ledger.decide(queued)
    expect((await runQuern(home, ['why', series.delivery])).stdout.split('\n')[0]).toBe(`queued: ${queued.reason}`)
  }
})

test('a commit that was built each night is told with all its builds, and the ledger is not read once more for each of them', async () => {
  const { home, ledger, queue, records, accept, decide } = homeWithBuilds()
  let read = 0
  const counting: Ledger = { ...ledger, find: (key) => (read++, ledger.find(key)), findNamed: (names) => (read++, ledger.findNamed(names)) }
  const events = () => eventsAbout({ home, ledger: counting, queue, records }, delivered.commit_id)
  const reads: number[] = []
  for (const nights of [1, 3]) {
    while (records.status({ pipeline: 'app', number: nights }) === undefined) {
      await accept({ ...delivered, delivery: crypto.randomUUID() })
      await decide('passed')
    }
    read = 0
    expect((await events()).map(({ history }) => history.map(({ decision }) => decision))).toEqual(Array(nights).fill(['queued', 'building', 'passed']))
    reads.push(read)
  }
  expect(reads[1]).toBe(reads[0])
})

test('what became of an event is told, and in its order, where the clock stepped back while it was built', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(delivered)
  const [day] = readdirSync(join(home, 'ledger')).filter((name) => name.endsWith('.jsonl')) as [string]
  const path = join(home, 'ledger', day)
  const queued = readFileSync(path, 'utf8').replace(/"at":"[^"]*"/, '"at":"2999-01-01T01:00:00.000Z"')
  writeFileSync(path, queued)
  await decide('passed')
  const shown = async () => {
    const { stdout } = await runQuern(home, ['why', 'app/1'])
    return [stdout.split('\n')[0], ...[...stdout.matchAll(/^ {2}\d{4}-\d\d-\d\d [\d:]{8} +(\S+)/gm)].map((match) => match[1])]
  }
  expect(await shown()).toEqual(['passed: The build passed.', 'queued', 'building', 'passed'])
  // Over midnight the lines are in two files.
  writeFileSync(path, readFileSync(path, 'utf8').slice(queued.length))
  writeFileSync(join(home, 'ledger/2999-01-01.jsonl'), queued)
  expect((await shown())[0]).toBe('passed: The build passed.')
})

test('a mail that waits for its server is told as not sent', async () => {
  const { home, ledger, records, accept, decide } = homeWithBuilds()
  await accept(delivered)
  const build = await decide('failed')
  ledger.decide({ decision: 'mailed', reason: 'failed: committer ada@example.org', build: 'app/1' })
  const outbox = openOutbox(home, ledger)
  const directory = records.directory(build)
  writeReport(directory, { id: 'email-1', publisher: 'email', build: 'app/1', created: new Date().toISOString(), payload: {} })
  outbox.handOver(directory)
  expect((await runQuern(home, ['why', 'app/1'])).stdout).toMatch(/\n {2}not sent yet: a report of app\/1 \(email\) waits in outbox\/; quern doctor .*\n$/)
  expect(JSON.parse((await runQuern(home, ['why', 'app/1', '--json'])).stdout)).toMatchObject([{ unsent: [{ build: 'app/1', report: 'email-1', publisher: 'email' }] }])
  await outbox.deliverDue({ email: { publish: async () => ({ kind: 'sent' }) } })
  expect((await runQuern(home, ['why', 'app/1'])).stdout).not.toContain('not sent yet')
})

test('a commit of two events has a decision for each', async () => {
  const { home, ledger, accept } = homeWithBuilds()
  await accept(delivered)
  ledger.decide({ decision: 'ignored', reason: 'built by push', hook: 'amp_main', delivery: 'other', commit_id: delivered.commit_id })
  const events = JSON.parse((await runQuern(home, ['why', delivered.commit_id, '--json'])).stdout) as { current: unknown; delivery: string }[]
  expect(events.map(({ current, delivery }) => [current, delivery])).toEqual([
    [{ decision: 'waiting', reason: 'it waits in the queue; the next tick claims the oldest first' }, delivered.delivery],
    [{ decision: 'ignored', reason: 'built by push' }, 'other'],
  ])
})

test('an entry dropped in by hand waits, and one that was set aside says why', async () => {
  const { home } = homeWithBuilds()
  writeFileSync(join(home, 'queue/mine.json'), JSON.stringify(aRequest()))
  expect((await runQuern(home, ['why', 'mine.json'])).stdout).toMatch(/^waiting: it waits in the queue/)
  writeFileSync(join(home, 'queue/bad/broken'), 'x')
  writeFileSync(join(home, 'queue/bad/broken.reason'), 'not JSON\n')
  expect((await runQuern(home, ['why', 'broken'])).stdout).toMatch(/^bad: set aside in queue\/bad: not JSON/)
})

test('words that git understands in the current directory mean the commit', async () => {
  const { home, accept } = homeWithBuilds()
  const repo = gitRepo()
  const [first, second] = [repo.commit({ a: '1' }), repo.commit({ a: '2' })]
  repo.git('tag', '--annotate', '--message', 'first', 'v1', first)
  await accept(aRequest({ commit_id: first }))
  const why = (words: string, cwd = repo.path) => runQuern(home, ['why', words], { cwd })
  for (const words of ['HEAD~1', 'main^', 'v1', first.slice(0, 5)]) expect(await why(words)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^waiting: /) })
  expect(await why('HEAD')).toMatchObject({ code: 2, stderr: expect.stringContaining(`nothing was decided about HEAD, which is commit ${second} here: `) })
  expect(await why('v2')).toMatchObject({ code: 2, stderr: expect.stringContaining('nothing was decided about v2: ') })
  expect(await why('HEAD', home)).toMatchObject({ code: 2, stderr: expect.stringContaining('nothing was decided about HEAD: no delivery that names it was accepted or ignored, and git knows no commit of that name in this directory') })
})

test('what is known under a name goes before what git makes of it', async () => {
  const { home, accept, ledger } = homeWithBuilds()
  const repo = gitRepo()
  await accept(aRequest({ commit_id: repo.commit({}) }))
  repo.git('tag', 'odd')
  ledger.decide({ decision: 'ignored', reason: 'built by push', hook: 'amp_main', delivery: 'odd' })
  expect((await runQuern(home, ['why', 'odd'], { cwd: repo.path })).stdout).toMatch(/^ignored: built by push/)
})

test('a build that is claimed, but has no slot yet, waits', async () => {
  const { home, accept, begin } = homeWithBuilds()
  await accept(delivered)
  const { record } = await begin()
  expect((await runQuern(home, ['why', 'app/1'])).stdout).toMatch(/^building: its turn came\n/)
  record.setStatus('QUEUED')
  expect((await runQuern(home, ['why', 'app/1'])).stdout).toMatch(/^claimed: it is claimed as app\/1, which waits for a free slot or for its group\n/)
})

test('an entry that is half written says so', async () => {
  const { home } = homeWithBuilds()
  writeFileSync(join(home, 'queue/half.json'), '{"repository":')
  expect((await runQuern(home, ['why', 'half.json'])).stdout).toMatch(/^waiting: no request yet \(it cannot be read: .*JSON.*\); if it stays so, a builder sets it aside in queue\/bad/)
})

test('what nobody decided about is a mistake, told with where to look', async () => {
  const { home } = homeWithBuilds()
  const { code, stderr } = await runQuern(home, ['why', 'deadbeef'])
  expect(code).toBe(2)
  expect(stderr).toContain('nothing was decided about deadbeef')
})
