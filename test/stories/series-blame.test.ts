/** @module-tag long */
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { directoryName } from '../../src/model/names.ts'
import type { PatchworkCheck } from '../../src/publish/patchwork-check.ts'
import type { Report } from '../../src/publish/publisher.ts'
import { exitOf, until } from '../helpers/a-home.ts'
import { aSeriesServer, mailsSince, seriesOf, stateJob } from '../helpers/a-series-server.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'

const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const make = { make: stateJob }
const patience = 30_000

/** What kills a builder just before the nth time that it claims from queue/low. */
function killedAtLow(home: string, at = 1): Record<string, string> {
  return { NODE_OPTIONS: `--import ${pathToFileURL(resolve('test/helpers/fault.mjs')).href}`, FAULT_CALL: 'rename', FAULT_PATH: join(home, 'queue/low'), FAULT_AT: String(at), FAULT_ERROR: 'KILL' }
}

/** The states of the checks on a patch that a build has written, and that are on their way, or there. */
function checksOf({ list, read }: Pick<Awaited<ReturnType<typeof aSeriesServer>>, 'list' | 'read'>, build: string, patch: number): string[] {
  const reports = list(`builds/${build}/reports`).map((name) => JSON.parse(read(`builds/${build}/reports/${name}`)) as Report<PatchworkCheck>)
  return reports.filter(({ publisher, payload }) => publisher === 'patchwork-check' && payload.patch === patch).map(({ payload }) => payload.state).toSorted()
}

describe.skipIf(!sandboxed)('a failure in a mailed series', () => {
  test('of which only the whole is tested is told of on the patch that broke it, by what is printed there, and on the last as older; the author gets one reply, to that patch', async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'fine\n1\n', 'fine\nerror: broken by the second\n', 'fine\n3\nerror: broken by the second\n', 'fine\n3\n4\nerror: broken by the second\n', 'fine\n3\n4\n5\nerror: broken by the second\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, settings: { PUBLIC_URL: 'https://example.org/ci/' }, source: { each_patch: false } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{}, { make: 'fail: state.txt:2: error: broken by the second' }, {}, {}, { make: 'warning: fails since patch 2: state.txt:5: error: broken by the second' }])
    expect(patches.map((patch) => server.told(patch).length)).toEqual([0, 1, 0, 0, 2])
    const { runs, blame } = server.result('make/1')
    expect(runs.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual(['make [5/5] failed', 'make [5/5]~2 failed'])
    const [, culprit] = repo.git('rev-list', '--reverse', 'main..mailed').split('\n')
    expect(blame).toMatchObject({ class: 'new', reason: expect.stringContaining('of the 5 commits since then') })
    expect(server.result(blame!.seen!.build)).toMatchObject({ commit_id: blame!.commit, verdict: 'failed' })
    expect(repo.git('rev-parse', `${culprit}^{tree}`)).toBe(server.treeOf(blame!.commit!))
    // The base, and at most log2 5 of the patches.
    expect(server.list('builds/make').length - 1).toBeLessThanOrEqual(1 + 3)
    expect(server.smtp.taken.map(({ email }) => email.inReplyTo)).toEqual([`<patch-${patches[1]}@example.com>`])
    const page = `https://example.org/ci/builds/${blame!.seen!.build}/make`
    expect(server.fake.checks.get(patches[1]!)).toMatchObject([{ target_url: page }])
    expect(server.smtp.taken[0]!.text).toContain(`make: ${page}\n    state.txt:2: error: broken by the second`)
  }, patience)

  test('of which only the whole is tested blames nobody where the base is red, too', async () => {
    const { repo, patches: mails } = seriesOf('error: old\n', 'error: old\n1\n', 'error: old\n2\n', 'error: old\n3\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { each_patch: false } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{}, {}, { make: 'warning: fails before this patch, too: state.txt:1: error: old' }])
    expect(server.list('builds/make')).toHaveLength(2)
    expect(server.smtp.taken).toEqual([])
  }, patience)

  test('on a base that is red, repaired by patch 1 and broken again by patch 2, is the second patch’s, and the base is never built', async () => {
    const { repo, patches: mails } = seriesOf('error: old\n', 'fine\n', 'error: again\n', 'error: again\nmore\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'success: passed' }, { make: 'fail: state.txt:1: error: again' }, { make: 'warning: fails before this patch, too: state.txt:1: error: again' }])
    expect(server.list('builds/make')).toEqual(['1'])
    expect(server.smtp.taken.map(({ email }) => email.inReplyTo)).toEqual([`<patch-${patches[1]}@example.com>`])
  }, patience)

  test('that waits for the base is told when that is built, from queue/low, although the mirror was deleted meanwhile; what does not wait is told at once', async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'error: first\n', 'fine\nagain\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build([], killedAtLow(server.home))
    expect(server.result('make/1').blame).toBeUndefined()
    expect([server.list('queue').filter((name) => name.endsWith('.json')), server.list('queue/low'), server.list('ledger/held')]).toMatchObject([[], { length: 1 }, { length: 1 }])
    expect((await server.quern('show', 'make/1')).stdout).toMatch(/not known yet: [0-9a-f]{10} is built first/)
    expect(patches.map((patch) => checksOf(server, 'make/1', patch))).toEqual([['pending'], ['pending', 'success']])
    rmSync(join(server.home, 'cache'), { recursive: true })
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'fail: state.txt:1: error: first' }, { make: 'success: passed' }])
    expect(patches.map((patch) => server.told(patch).length)).toEqual([2, 2])
    expect(server.smtp.taken).toHaveLength(1)
    expect([...server.list('queue/low'), ...server.list('ledger/held'), ...server.list('outbox').filter((name) => name.endsWith('.json'))]).toEqual([])
  }, patience)

  test('whose search for the first bad patch is interrupted, and the mirror deleted, is found all the same: the commits are made again', async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'fine\n1\n', 'error: second\n', 'error: second\n3\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { each_patch: false } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build([], killedAtLow(server.home, 2))
    expect(server.list('builds/make')).toEqual(['1', '2'])
    rmSync(join(server.home, 'cache'), { recursive: true })
    await server.build()
    expect(patches.map(server.shown)).toEqual([{}, { make: 'fail: state.txt:1: error: second' }, { make: 'warning: fails since patch 2: state.txt:1: error: second' }])
    expect(server.smtp.taken).toHaveLength(1)
  }, patience)

  test('is told nothing of where a newer version came while it waited for the base', async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'error: first try\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const one = server.fake.addSeries({ name: 'state: change', patches: mails })
    await server.poll()
    await server.build([], killedAtLow(server.home))
    const good = mailsSince((repo.commit({ 'state.txt': 'fine\n2\n' }, 'state: change'), repo), 'HEAD^', { version: 2 })
    repo.git('reset', '--quiet', '--hard', 'HEAD^')
    const two = server.fake.addSeries({ name: 'state: change', version: 2, patches: good })
    await server.poll()
    await server.build()
    expect(server.told(one.patches[0]!)).toEqual(['make pending: waits for its turn'])
    expect(server.shown(two.patches[0]!)).toEqual({ make: 'success: passed' })
    expect(server.result('make/1').blame).toMatchObject({ class: 'new' })
    expect(server.smtp.taken).toEqual([])
    expect(server.list('ledger/held')).toEqual([])
  }, patience)

  test('of a build that somebody cancels before it was compared mails nobody', async () => {
    const { repo, start, patches: [first] } = seriesOf('fine\n', 'error: first\n')
    repo.git('checkout', '--quiet', '--detach', 'mailed')
    repo.commit({ hang: '', 'state.txt': 'fine\n' }, 'state: hang')
    const mails = mailsSince(repo, start)
    repo.git('checkout', '--quiet', 'main')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    expect(mails[0]!.mail).toContain(first!.mail.slice(first!.mail.indexOf('diff --git')).split('\n-- \n')[0])
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    const builder = server.startBuilder()
    await until('the second patch runs', () => server.list('builds/make/1/runs').length === 3)
    await server.quern('cancel', 'make/1')
    expect(await exitOf(builder)).toBe(0)
    expect(patches.map(server.shown)).toEqual([{ make: expect.stringMatching(/^warning: failed, and the build was cancelled before it was compared: state\.txt:1: error: first/) }, { make: expect.stringMatching(/^warning: cancelled/) }])
    expect(server.smtp.taken).toEqual([])
  }, patience)

  test('whose base cannot be built is this server’s: a warning, a word to the administrator, and none to the author but of what is new', async () => {
    const repo = gitRepo()
    repo.commit({ 'state.txt': 'fine\n', '.gitmodules': '[submodule "sub"]\n\tpath = sub\n\turl = https://127.0.0.1:9/gone.git\n' }, 'Begin')
    repo.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},sub`)
    repo.git('commit', '--quiet', '--amend', '--no-edit')
    const start = repo.git('rev-parse', 'HEAD')
    repo.git('rm', '--quiet', '--cached', 'sub')
    repo.commit({ '.gitmodules': '', 'state.txt': 'error: first\n' }, 'state: change 1')
    repo.commit({ 'state.txt': 'fine\n2\n' }, 'state: change 2')
    repo.commit({ 'state.txt': 'error: third\n' }, 'state: change 3')
    const mails = mailsSince(repo, start)
    repo.git('reset', '--quiet', '--hard', start)
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'warning: failed, and could not be compared with what was before this patch: state.txt:1: error: first' }, { make: 'success: passed' }, { make: 'fail: state.txt:1: error: third' }])
    expect(server.smtp.taken.map(({ to, email }) => [to, email.inReplyTo])).toEqual(expect.arrayContaining([[['admin@example.org'], undefined], [['ann@example.com'], `<patch-${patches[2]}@example.com>`]]))
    expect(server.smtp.taken).toHaveLength(2)
  }, patience)
})

describe.skipIf(!sandboxed)('compiler warnings of a mailed series', () => {
  test('hold the check of the first patch until the base is built from queue/low, and mail nobody', async () => {
    const { repo, patches: mails } = seriesOf('warning: old\n', 'warning: old\nwarning: fresh\n', 'warning: old\nwarning: fresh\nmore\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build([], killedAtLow(server.home))
    expect(server.result('make/1')).toMatchObject({ verdict: 'passed' })
    expect(patches.map((patch) => checksOf(server, 'make/1', patch))).toEqual([['pending'], ['pending', 'success']])
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'warning: new warning: state.txt: fresh' }, { make: 'success: passed' }])
    expect(server.result('make/1').runs[0]).toMatchObject({ compared: { build: 'make/2', run: 'make' } })
    expect(server.smtp.taken).toEqual([])
    expect(server.list('ledger/held')).toEqual([])
  }, patience)

  test('are not new because what was before was red and printed less', async () => {
    const { repo, patches: mails } = seriesOf('error: old\n', 'warning: hidden by the error\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'success: passed' }])
    expect(server.result('make/2')).toMatchObject({ verdict: 'failed' })
  }, patience)

  test('of the whole of a series are compared with its base', async () => {
    const { repo, patches: mails } = seriesOf('warning: old\n', 'warning: old\nwarning: fresh\n', 'warning: old\nwarning: fresh\nmore\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { each_patch: false } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{}, { make: 'warning: new warning: state.txt: fresh' }])
    expect(server.list('builds/make')).toHaveLength(2)
  }, patience)
})

describe.skipIf(!sandboxed)('a mistake in the pipeline file of a mailed series', () => {
  const good = `import { pipeline } from 'quern'\nexport default pipeline((p) => { p.job('make', 'grep -v error state.txt') })\n`
  const file = '.quern/pipeline.ts'

  /** A series whose patches write the pipeline file, and what the job reads. */
  async function seriesWith(base: Record<string, string>, patches: Record<string, string>[], source: Record<string, unknown> = {}) {
    const repo = gitRepo()
    const start = repo.commit({ 'state.txt': 'fine\n', ...base }, 'Begin')
    patches.forEach((files, index) => repo.commit(files, `state: change ${index + 1}`))
    const mails = mailsSince(repo, start)
    repo.git('reset', '--quiet', '--hard', start)
    const server = await aSeriesServer({ tree: repo.path, jobs: {}, source: { pipelines: [`file:${file}`], ...source } })
    const { patches: ids } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    const pipeline = server.list('builds').find((name) => name !== 'index.jsonl')!
    return { ...server, ids, pipeline, shown: ids.map(server.shown) }
  }

  test('fails the check `pipeline` of that patch, clearly, beside those of the others, and its author is answered', async () => {
    const { shown, ids, smtp, result, pipeline, console: log } = await seriesWith({ [file]: good }, [{ 'state.txt': 'fine\n1\n' }, { [file]: 'console.log("so far")\nnonsense(\n' }, { 'state.txt': 'fine\n3\n' }, { [file]: `${good}\n` }])
    expect(shown).toEqual([{ make: 'success: passed' }, { pipeline: expect.stringMatching(/^fail: .*\.quern\/pipeline\.ts/) }, { pipeline: expect.stringMatching(/^warning: fails before this patch, too: .*\.quern\/pipeline\.ts/) }, { make: 'success: passed' }])
    expect(result(`${pipeline}/1`)).toMatchObject({ verdict: 'failed', runs: [{ name: 'make [1/4]' }, { name: 'pipeline [2/4]', blame: { class: 'new' } }, { name: 'pipeline [3/4]', blame: { class: 'parent' } }, { name: 'make [4/4]' }] })
    expect(log(`${pipeline}/1`, directoryName('pipeline [2/4]'))).toMatch(/^error: .*pipeline\.ts/m)
    expect(smtp.taken.map(({ email }) => email.inReplyTo)).toEqual([`<patch-${ids[1]}@example.com>`])
  }, patience)

  test('blames nobody where the base has it, too; behind it a run did not get so far', async () => {
    const { shown, smtp } = await seriesWith({ [file]: 'nonsense(\n' }, [{ 'state.txt': 'fine\n1\n' }, { [file]: good, 'state.txt': 'error\n' }])
    expect(shown).toEqual([{ pipeline: expect.stringMatching(/^warning: fails before this patch, too: /) }, { make: expect.stringMatching(/^warning: fails before this patch, too: /) }])
    expect(smtp.taken).toEqual([])
  }, patience)

  test('is found by bisection where only the whole is tested', async () => {
    const { shown, ids, smtp } = await seriesWith({ [file]: good }, [{ 'state.txt': 'fine\n1\n' }, { [file]: 'nonsense(\n' }, { 'state.txt': 'fine\n3\n' }], { each_patch: false })
    expect(shown).toEqual([{}, { pipeline: expect.stringMatching(/^fail: /) }, { pipeline: expect.stringMatching(/^warning: fails since patch 2: /) }])
    expect(smtp.taken.map(({ email }) => email.inReplyTo)).toEqual([`<patch-${ids[1]}@example.com>`])
  }, patience)

  test('is none where the tree has no such file: the patches are passed over up to the one that brings it', async () => {
    const { shown, result, pipeline } = await seriesWith({}, [{ 'state.txt': 'fine\n1\n' }, { [file]: good }])
    expect(shown).toEqual([{}, { make: 'success: passed' }])
    expect(result(`${pipeline}/1`).runs.map(({ name }) => name)).toEqual(['make [2/2]'])
  }, patience)
})
