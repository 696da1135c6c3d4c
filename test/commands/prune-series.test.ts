import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Request } from '../../src/model/request.ts'
import { keepOutcome, markSuperseded, ownMail } from '../../src/patchwork/series-ledger.ts'
import { aRequest } from '../helpers/a-request.ts'
import { aSeriesServer, seriesOf, stateJob } from '../helpers/a-series-server.ts'
import { gitTestEnvironment } from '../helpers/git-repo.ts'
import { homeWithBuilds } from '../helpers/home-with-builds.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { runQuern } from '../helpers/run-quern.ts'

const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const server = 'https://patchwork.example.org'
const longAgo = new Date(Date.now() - 400 * 24 * 60 * 60 * 1000)

/** A request for a series of that number. */
function requestFor(id: number, received = new Date()): Request {
  const series = { server, project: 'app', id, version: 1, name: 'Change', submitter: { name: 'Ann', email: 'ann@example.org' }, patches: [{ id, msgid: '<a@b>', name: 'Change', n: 1 }], each_patch: true }
  return aRequest({ source: 'patchwork', trusted: false, hook: 'patchwork:app', delivery: `app/${id}`, received: received.toISOString(), series })
}

/** A home with a mirror, and with what was remembered of these series: everything that there is of one, so long ago or just now. */
function homeWithSeries(series: Record<number, 'old' | 'young'>) {
  const given = homeWithBuilds()
  const { home } = given
  writeFileSync(join(home, 'environment.sh'), '')
  const mirror = join(home, 'cache/git/app~0123456789abcdef')
  mkdirSync(mirror, { recursive: true })
  const git = (...words: string[]) => execFileSync('git', words, { cwd: mirror, env: { ...gitTestEnvironment, HOME: home }, encoding: 'utf8' }).trim()
  git('init', '--quiet', '--bare')
  const commit = git('commit-tree', '-m', 'Change', git('mktree', '--missing'))
  git('update-ref', 'refs/heads/main', commit)
  for (const [id, age] of Object.entries(series)) {
    const one = { server, id: Number(id) }
    markSuperseded(home, one, { by: 99, version: 2 })
    ownMail(home, one, 'app/1')
    keepOutcome(home, one, { pipeline: 'job:app', build: 'app/1', failed: [] })
    git('update-ref', `refs/quern/series/patchwork-example-org-${id}/1`, commit)
    if (age === 'old') for (const name of namesOf(home, Number(id))) utimesSync(join(home, 'ledger/series', name), longAgo, longAgo)
  }
  git('pack-refs', '--all')
  return {
    ...given,
    prune: (...words: string[]) => runQuern(home, ['prune', ...words]),
    /** The series of which something is remembered, and those whose commits are kept. */
    left: () => ({
      remembered: [1, 2, 3, 4, 5].filter((id) => namesOf(home, id).length === 3),
      kept: git('for-each-ref', '--format=%(refname)').split('\n').flatMap((ref) => /-(\d+)\/1$/.exec(ref)?.[1] ?? []).map(Number),
      heads: git('for-each-ref', '--format=%(refname)', 'refs/heads'),
    }),
  }
}

function namesOf(home: string, id: number): string[] {
  return readdirSync(join(home, 'ledger/series')).filter((name) => name.startsWith(`patchwork-example-org-${id}.`))
}

test('what is remembered of a series goes a year after it was added, with the last record; its commits go once no entry and no younger record wants them', async () => {
  const { accept, decide, prune, left } = homeWithSeries({ 1: 'old', 2: 'old', 3: 'young', 4: 'old', 5: 'old' })
  await accept(requestFor(1))
  await decide('failed')
  await accept(requestFor(5, longAgo))
  await decide('failed')
  await accept(requestFor(4))
  expect(await prune('--dry-run')).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Would forget 1 mailed series.') })
  expect(left()).toEqual({ remembered: [1, 2, 3, 4, 5], kept: [1, 2, 3, 4, 5], heads: 'refs/heads/main' })
  expect(await prune()).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Forgot 1 mailed series.') })
  expect(left()).toEqual({ remembered: [1, 3, 4, 5], kept: [1, 4], heads: 'refs/heads/main' })
})

test('a record that retention removes takes its series along, where that is old enough', async () => {
  const { home, accept, decide, prune, left } = homeWithSeries({ 1: 'old', 2: 'young' })
  for (const id of [1, 2, 3]) {
    await accept(requestFor(id))
    await decide('passed')
  }
  writeFileSync(join(home, 'quern.yaml'), 'retention: {builds: 1}\n')
  expect(await prune()).toMatchObject({ code: 0, stdout: expect.stringMatching(/Removed 2 builds.*Forgot 1 mailed series\./) })
  expect(left()).toMatchObject({ remembered: [2], kept: [] })
})

test('what was half written when somebody died goes, too', async () => {
  const { home, prune } = homeWithSeries({ 1: 'old' })
  for (const name of ['.patchwork-example-org-7.superseded.42.tmp', 'patchwork-example-org-7.mail.42.tmp']) {
    writeFileSync(join(home, 'ledger/series', name), '')
    utimesSync(join(home, 'ledger/series', name), longAgo, longAgo)
  }
  await prune()
  expect(readdirSync(join(home, 'ledger/series'))).toEqual([])
})

test.skipIf(!sandboxed)('a series whose records and commits were pruned is not tested again, and its newer version takes its place', { tags: 'long' }, async () => {
  const { repo, patches: mails } = seriesOf('fine\n', 'fine\n1\n')
  const home = await aSeriesServer({ tree: repo.path, jobs: { make: stateJob } })
  const one = home.fake.addSeries({ name: 'state: change', patches: mails })
  await home.poll()
  await home.build()
  const other = home.fake.addSeries({ name: 'state: other', patches: mails })
  await home.poll()
  await home.build()
  home.write({ 'quern.yaml': home.read('quern.yaml').replace(/}$/, ',"retention":{"builds":1}}') })
  expect(await home.quern('prune')).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Removed 1 builds') })
  const [mirror] = home.list('cache/git').filter((name) => /~[0-9a-f]{16}$/.test(name))
  const refs = execFileSync('git', ['for-each-ref', '--format=%(refname)', 'refs/quern'], { cwd: join(home.home, 'cache/git', mirror!), encoding: 'utf8' })
  expect(refs.trim().split('\n')).toEqual([expect.stringMatching(new RegExp(`-${other.id}/1$`))])
  rmSync(join(home.home, 'builds/index.jsonl'))
  await home.poll()
  await home.build()
  expect(home.list('builds/make')).toEqual(['2'])
  const two = home.fake.addSeries({ name: 'state: change', version: 2, patches: mails })
  await home.poll()
  await home.build()
  expect(home.shown(two.patches[0]!)).toEqual({ make: 'success: passed' })
  expect(home.list('ledger/series')).toContain(`${new URL(home.fake.url).host.replace(/[.:]/g, '-')}-${one.id}.superseded`)
})
