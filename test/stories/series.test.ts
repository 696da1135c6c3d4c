import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RunResult } from '../../src/model/build.ts'
import { directoryName } from '../../src/model/names.ts'
import { aSeriesServer, mailsSince, seriesOf, stateJob } from '../helpers/a-series-server.ts'
import { exitOf, until } from '../helpers/a-home.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'

const { patches } = JSON.parse(readFileSync('test/fixtures/patchwork/ids.json', 'utf8')) as { patches: Record<string, number[]> }
const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const compiles = isInstalled('make', 'apt-get install build-essential') && isInstalled('cc', 'apt-get install build-essential')

const make = { make: stateJob }

describe.skipIf(!sandboxed)('a mailed series', () => {
  test.skipIf(!compiles)('as a real server keeps it is applied, built and told of: good, broken, failing, warning, not applying, out of order, non-ASCII, incomplete, superseded', { tags: 'long' }, async () => {
    const server = await aSeriesServer({ recorded: true, tree: resolve('test/fixtures/patchwork/mini.bundle'), branch: 'master', jobs: 'examples/ffmpeg/job-defs', source: { pipelines: ['job:x86/make_fate'] } })
    await server.poll()
    await server.poll()
    expect(await server.build(['--threads', '2'])).toMatchObject({ code: 0, stderr: '' })
    const shown = (name: string) => patches[name]!.map(server.shown)
    const good = { configure_x86: 'success: passed', make_x86: 'success: passed', make_fate_x86: 'success: passed' }
    for (const name of ['series3_v2', 'ooo3', 'nonascii']) expect(shown(name), name).toEqual(patches[name]!.map(() => good))
    expect(shown('breakbuild')).toEqual([{ ...good, make_x86: expect.stringMatching(/^fail: .*error/), make_fate_x86: expect.stringMatching(/^warning: not run: it needs/) }])
    expect(shown('failtest')).toEqual([{ ...good, make_fate_x86: expect.stringMatching(/^fail: /) }])
    expect(shown('warning')).toEqual([{ ...good, make_x86: expect.stringMatching(/^warning: new warning: libmini\/.*unused variable/) }])
    expect(shown('noapply')).toEqual([{ apply: 'warning: does not apply: conflict in libmini/clip.c' }])
    for (const name of ['incomplete', 'series3', 'single']) expect(patches[name]!.flatMap(server.told), name).toEqual([])
  })

  test('of three patches with the fault in the second is told of on each; its author gets one reply, to the second mail', async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'fine\nfiner\n', 'fine\nerror: broken by the second\n', 'fine\nerror: broken by the second\nmore\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: { 'x86/make': make.make, 'ppc/make': make.make }, source: { pipelines: ['job:x86/make', 'job:ppc/make'], commit_message: ['signed_off_by'], mail: { reply: true, from: 'CI <ci@example.org>', cc: 'ci-list@example.org' } } })
    const { id, patches } = server.fake.addSeries({ patches: mails, cover: { name: '[0/3] Three', content: 'Three.' } })
    await server.poll()
    expect(await server.build(['--threads', '2'])).toMatchObject({ code: 0, stderr: '' })
    const message = { commit_msg_signed_off_by: 'warning: there is no Signed-off-by: Name <address>' }
    const on = (line: string) => ({ ...message, make_x86: line, make_ppc: line })
    expect(patches.map(server.shown)).toEqual([on('success: passed'), on('fail: state.txt:2: error: broken by the second'), on('warning: fails before this patch, too: state.txt:2: error: broken by the second')])
    expect(server.told(patches[1]!).filter((line) => line.startsWith('make_x86'))).toEqual(['make_x86 pending: waits for its turn', 'make_x86 fail: state.txt:2: error: broken by the second'])
    expect(server.result('x86~make/1').runs.filter(isFirst).map(({ name, verdict, blame }) => `${name} ${verdict} ${blame?.class}`)).toEqual(['make [1/3] passed undefined', 'make [2/3] failed new', 'make [3/3] failed parent'])
    expect(server.smtp.taken).toHaveLength(1)
    const [reply] = server.smtp.taken
    expect(reply!.to.toSorted()).toEqual(['ann@example.com', 'ci-list@example.org'])
    expect(reply!.email).toMatchObject({ subject: 'Re: [PATCH 2/3] state: change 2', inReplyTo: `<patch-${patches[1]}@example.com>`, from: { address: 'ci@example.org' } })
    for (const words of ['make_x86', 'make_ppc', 'error: broken by the second']) expect(reply!.text).toContain(words)
    expect(reply!.text).not.toContain('change 3')
    expect(server.read(`ledger/series/${new URL(server.fake.url).host.replace(/[.:]/g, '-')}-${id}.mail`)).toMatch(/make\/1$/)
    const again = await server.quern('retry', 'x86~make/1')
    expect(again).toMatchObject({ code: 0 })
    await server.build()
    expect(server.result('x86~make/2').verdict).toBe('failed')
    expect(server.smtp.taken).toHaveLength(1)
  }, 30_000)

  test('on a base that is red already blames nobody; the patch that repairs it passes, and the one that breaks it again is new', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('error: old\n', 'error: old\nmore\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches: [red] } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(server.shown(red!)).toEqual({ make: 'warning: fails before this patch, too: state.txt:1: error: old' })
    expect(server.result('make/1').runs.filter(isFirst).map(({ name, verdict, blame }) => ({ name, verdict, blame: blame?.class }))).toEqual([{ name: 'make', verdict: 'failed', blame: 'parent' }])
    expect(server.result('make/2')).toMatchObject({ verdict: 'failed', commit_id: repo.git('rev-parse', 'HEAD'), runs: [{ name: 'make' }, { name: 'make~2' }] })
    expect(server.smtp.taken).toEqual([])
    const second = mailsSince((repo.commit({ 'state.txt': 'fine\n' }, 'state: repair'), repo.commit({ 'state.txt': 'error: again\n' }, 'state: break'), repo), 'HEAD~2')
    repo.git('reset', '--quiet', '--hard', 'HEAD~2')
    const { patches } = server.fake.addSeries({ patches: second })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'success: passed' }, { make: 'fail: state.txt:1: error: again' }])
    expect(server.smtp.taken.map(({ email }) => email.inReplyTo)).toEqual([`<patch-${patches[1]}@example.com>`])
  })

  test('with warnings that its base has, too, succeeds; a further one is a warning, by its text, wherever it stands', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('warning: old\n', 'moved\nwarning: old\n', 'moved\nwarning: fresh\nwarning: old\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'success: passed' }, { make: 'warning: new warning: state.txt: fresh' }])
    expect(server.result('make/1').verdict).toBe('passed')
    // The base is not built again for the next series: its warnings are those of its first build.
    repo.commit({ 'state.txt': 'warning: old\nwarning: other\n' }, 'state: another')
    const { patches: others } = server.fake.addSeries({ patches: mailsSince(repo, 'HEAD^') })
    repo.git('reset', '--quiet', '--hard', 'HEAD^')
    await server.poll()
    await server.build()
    expect(others.map(server.shown)).toEqual([{ make: 'warning: new warning: state.txt: other' }])
    expect(server.result('make/3').runs).toMatchObject([{ name: 'make', verdict: 'passed', compared: { build: 'make/2', run: 'make' } }])
    expect(server.list('builds/make')).toEqual(['1', '2', '3'])
  })

  test('that fails once and passes on the same tree is flaky: a warning, and nobody is mailed', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'fine\nfiner\n')
    // The second run of a builder works in its second directory.
    const server = await aSeriesServer({ tree: repo.path, jobs: { make: 'workspace: commit\nscript: |\n  case $PWD in */2/tree) ;; *) echo "error: now and then"; exit 1 ;; esac\n' } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'warning: failed, then passed on the same tree: error: now and then' }])
    expect(server.result('make/1')).toMatchObject({ verdict: 'passed', blame: { class: 'flaky' } })
    expect(server.smtp.taken).toEqual([])
  })

  test('brings services, too: each patch has its own under the same name', { tags: 'long' }, async () => {
    const repo = gitRepo()
    const pipeline = (word: string) => `import { pipeline } from 'quern'\nexport default pipeline((p) => {\n  p.job('mill', 'exec node -e "require(\\'net\\').createServer((c)=>c.on(\\'error\\',()=>{}).end(\\'${word}\\')).listen(8080)"', { service: true, ready: 'true < /dev/tcp/mill/8080' })\n  p.job('fetch', 'cat < /dev/tcp/mill/8080')\n})\n`
    const start = repo.commit({ '.quern/pipeline.ts': pipeline('chaff') }, 'Begin')
    for (const word of ['grain', 'flour']) repo.commit({ '.quern/pipeline.ts': pipeline(word) }, `state: ${word}`)
    const mails = mailsSince(repo, start)
    repo.git('reset', '--quiet', '--hard', start)
    const server = await aSeriesServer({ tree: repo.path, jobs: {}, source: { pipelines: ['file:.quern/pipeline.ts'] } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
    expect(patches.map(server.shown)).toEqual([{ fetch: 'success: passed' }, { fetch: 'success: passed' }])
    const [pipelineName] = server.list('builds').filter((name) => name !== 'index.jsonl')
    expect(['[1/2]', '[2/2]'].map((mark) => server.console(`${pipelineName}/1`, directoryName(`fetch ${mark}`)))).toEqual(['grain', 'flour'])
  })

  test('of which version 2 comes during the build of version 1 is told of version 2 only', { tags: 'long' }, async () => {
    const { repo, start, patches: mails } = seriesOf('fine\n', 'fine\nfiner\n')
    repo.git('checkout', '--quiet', '--detach', start)
    repo.commit({ hang: '' }, 'state: change 1')
    const hanging = mailsSince(repo, start)
    repo.git('checkout', '--quiet', 'main')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const one = server.fake.addSeries({ name: 'state: change', patches: hanging })
    await server.poll()
    const builder = server.startBuilder()
    await until('the first version runs, and the server knows', () => server.list('builds/make/1/runs').length > 0 && server.told(one.patches[0]!).length > 0)
    const two = server.fake.addSeries({ name: 'state: change', version: 2, patches: mails })
    await server.poll()
    expect(await exitOf(builder)).toBe(0)
    // The older one is cancelled before the newer one is queued: this builder may have left in between.
    await server.build()
    expect(server.result('make/1')).toMatchObject({ verdict: 'cancelled', reason: `superseded by version 2, series ${two.id}` })
    expect(server.told(one.patches[0]!)).toEqual(['make pending: waits for its turn'])
    expect(server.shown(two.patches[0]!)).toEqual({ make: 'success: passed' })
    expect(server.smtp.taken).toEqual([])
  })

  test('of which a newer version comes while its result waits in the outbox is told nothing more', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'error: first try\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const one = server.fake.addSeries({ name: 'state: change', patches: mails })
    server.fake.troubles.push({ match: /^(?:GET|POST) .*\/checks\//, times: 1000, status: 403, headers: { 'Content-Type': 'application/json' }, body: '{"detail": "Invalid token."}' })
    await server.poll()
    await server.build()
    expect(server.result('make/1').verdict).toBe('failed')
    expect(server.list('outbox').filter((name) => name.endsWith('.json')).length).toBeGreaterThan(0)
    server.fake.troubles.length = 0
    server.fake.addSeries({ name: 'state: change', version: 2, patches: mails })
    await server.poll()
    expire(server.home)
    await server.build()
    expect(server.told(one.patches[0]!)).toEqual([])
    expect(server.list('outbox/dead')).toEqual([])
  })

  test('that is built again while its first result waits in the outbox is told of the second one, whichever of them is due first', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'error: of the host\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { mail: {} } })
    const { patches: [patch] } = server.fake.addSeries({ patches: mails })
    const refusal = { match: /POST .*\/checks\//, times: 1000, status: 403, headers: { 'Content-Type': 'application/json' }, body: '{"detail": "Invalid token."}' }
    server.fake.troubles.push(refusal)
    await server.poll()
    await server.build()
    server.write({ 'job-defs/make.yml': 'workspace: commit\nscript: cat state.txt\n' })
    expect(await server.quern('retry', 'make/1')).toMatchObject({ code: 0 })
    await server.build()
    expect(server.told(patch!)).toEqual([])

    refusal.times = 0
    const waiting = server.list('outbox').filter((name) => name.endsWith('.json'))
    const isFirst = (name: string) => (JSON.parse(server.read(`outbox/${name}`)) as { build: string }).build === 'make/1'
    for (const name of waiting) renameSync(join(server.home, 'outbox', name), join(server.home, 'outbox', name.replace(/^\d+/, isFirst(name) ? '2' : '1')))
    await server.build()

    expect(server.told(patch!)).toEqual(['make success: passed'])
    expect(server.list('outbox')).toEqual(['dead'])
  })

  test('of which one pipeline is never decided is answered after a while', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'error: new\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: { 'x86/make': make.make, 'ppc/make': make.make }, source: { pipelines: ['job:x86/make', 'job:ppc/make'], mail: { reply: true, wait: 90 } } })
    server.fake.addSeries({ patches: mails })
    await server.poll()
    const [, second] = server.list('queue').filter((name) => name.endsWith('.json'))
    rmSync(join(server.home, 'queue', second!))
    const before = Date.now() / 1000
    await server.build()
    expect(server.smtp.taken).toEqual([])
    const [waiting, ...others] = server.list('outbox').filter((name) => name.endsWith('.json'))
    expect(others).toEqual([])
    expect(Number(waiting!.split('-')[0]) - before).toBeGreaterThan(89 * 60)
    expire(server.home)
    await server.build()
    expect(server.smtp.taken.map(({ to }) => to)).toEqual([['ann@example.com']])
  })

  test('in a rehearsal posts nothing and mails the administrator only', async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'error: new\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { rehearse: true, mail: { reply: true, cc: 'ci-list@example.org' } } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(patches.map(server.told)).toEqual([[]])
    expect(server.read('logs/build.log')).toContain('rehearsal: this check would have been posted')
    expect(server.smtp.taken.map(({ to }) => to)).toEqual([['admin@example.org']])
  }, 30_000)

  test('that does not apply is answered only where quern.yaml asks for it', async () => {
    const { repo, patches: mails } = seriesOf('one\n', 'two\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { mail: { reply: true, not_applied: true } } })
    repo.commit({ 'state.txt': 'three\n' }, 'Meanwhile')
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(server.result('make/1')).toMatchObject({ verdict: 'not-applied', runs: [{ name: 'apply', verdict: 'not-applied', blame: { class: 'not-applied' } }] })
    expect(server.shown(patches[0]!)).toEqual({ apply: 'warning: does not apply: conflict in state.txt' })
    expect(server.smtp.taken.map(({ text }) => /does not apply: conflict in state\.txt/.test(text))).toEqual([true])
  }, 30_000)

  test('is told with links to the pages of its runs, from the first check to the reply, where this server has a public address', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('fine\n', 'fine\nerror: new\n')
    repo.commit({ 'other.txt': '1\n' }, 'other: add')
    const torn = mailsSince((repo.commit({ 'other.txt': '2\n' }, 'other: change'), repo), 'HEAD^')
    repo.git('reset', '--quiet', '--hard', 'HEAD~2')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, settings: { PUBLIC_URL: 'https://example.org/ci/' }, source: { commit_message: ['signed_off_by'], mail: { reply: true, not_applied: true } } })
    const { patches } = server.fake.addSeries({ patches: [{ ...mails[0]!, name: '[1/2] state: change' }, { ...torn[0]!, name: '[2/2] other: change' }] })
    await server.poll()
    await server.build()
    const links = (patch: number) => server.fake.checks.get(patch)?.map(({ context, state, target_url }) => `${context} ${state} ${target_url}`)
    const [run, apply] = ['make [1/2]', 'apply [2]'].map((name) => `https://example.org/ci/builds/make/1/${directoryName(name)}`)
    expect(links(patches[0]!)?.toSorted()).toEqual(['commit_msg_signed_off_by warning https://example.org/ci/builds/make/1', `make fail ${run}`, `make pending ${run}`])
    expect(links(patches[1]!)).toEqual([`apply warning ${apply}`])
    expect(server.smtp.taken).toHaveLength(1)
    expect(server.smtp.taken[0]!.text).toContain(`make: ${run}\n`)
    expect(server.smtp.taken[0]!.text).toContain(`apply: ${apply}\n`)
  })

  test('with more patches than this server tests of a stranger is errored with the setting, before anything of it runs', async () => {
    const { repo, patches: mails } = seriesOf('one\n', 'two\n', 'three\n', 'four\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, settings: { UNTRUSTED_RUNS: '2' } })
    server.fake.addSeries({ patches: mails })
    await server.poll()
    await server.build()
    expect(server.result('make/1')).toMatchObject({ verdict: 'errored', runs: [], reason: 'the plan has 3 runs: expected at most 2 for an untrusted request (UNTRUSTED_RUNS in environment.sh)' })
    expect(server.smtp.taken.map(({ to }) => to)).toEqual([['admin@example.org']])
  }, 30_000)

  test('is told of by each of two pipeline files that call a job the same: neither hides the other, in the checks and in the mail', { tags: 'long' }, async () => {
    const file = (word: string) => `import { pipeline } from 'quern'\nexport default pipeline((p) => {\n  p.job('test', '! grep ${word} state.txt')\n})\n`
    const repo = gitRepo()
    const start = repo.commit({ 'state.txt': 'fine\n', '.quern/fast.ts': file('error'), '.quern/slow.ts': file('slow') }, 'Begin')
    repo.commit({ 'state.txt': 'error: broken\n' }, 'state: break it')
    const mails = mailsSince(repo, start)
    repo.git('reset', '--quiet', '--hard', start)
    const server = await aSeriesServer({ tree: repo.path, jobs: {}, source: { pipelines: ['file:.quern/fast.ts', 'file:.quern/slow.ts'] } })
    const { patches } = server.fake.addSeries({ patches: mails })
    await server.poll()
    expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
    expect(server.shown(patches[0]!)).toEqual({ test_fast_quern: 'fail: error: broken', test_slow_quern: 'success: passed' })
    expect(server.smtp.taken.map(({ text }) => text)).toEqual([expect.stringContaining('\ntest_fast_quern\n')])
  })

  test('is cancelled at once although its server lets the question for its mails hang', async () => {
    const { repo, patches: mails } = seriesOf('one\n', 'two\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    server.fake.addSeries({ patches: mails })
    await server.poll()
    server.fake.troubles.push({ match: /\/mbox\//, times: 1, status: 200, hang: true })
    const asked = () => server.fake.requests.filter(({ path }) => path.includes('/mbox/')).length
    const building = server.build()
    await until('the mails are asked for', () => asked() > 0)
    expect(await server.quern('cancel', 'make/1')).toMatchObject({ code: 0 })
    await building
    expect(server.result('make/1')).toMatchObject({ verdict: 'cancelled', runs: [] })
    expect(asked()).toBe(1)
  }, 60_000)

  test('holds up nobody behind it while its server is away', { tags: 'long' }, async () => {
    const { repo, patches: mails } = seriesOf('one\n', 'two\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make, source: { pipelines: ['job:make', 'job:again'] } })
    server.write({ 'job-defs/again.yml': stateJob })
    const series = [1, 2].map((n) => server.fake.addSeries({ name: `state: ${n}`, patches: mails.map(({ mail }) => ({ name: `state: ${n}`, mail })) }))
    await server.poll()
    const away = { match: /\/mbox\//, times: Infinity, status: 502, body: '<html>Bad Gateway</html>' }
    server.fake.troubles.push(away)
    server.drop({}, '9000000000.000001-push.json')
    const building = server.build()
    await until('what came after them is built', () => server.list('builds/app/1').includes('result.json'))
    expect(['make/1', 'make/2', 'again/1', 'again/2'].filter((build) => server.list(`builds/${build}`).includes('result.json'))).toEqual([])
    away.times = 0
    await building
    for (const { patches } of series) expect(server.shown(patches[0]!)).toEqual({ make: 'success: passed', again: 'success: passed' })
  })

  test.each([
    ['it was away', { status: 502, body: '<html>Bad Gateway</html>' }],
    ['another answered in its place', { status: 200, body: '<html>Back in a minute</html>' }],
    ['only half of its answers came', { status: 200, body: '[{"id": 1, "cont' }],
  ])('is built although, when its mails were to be fetched, %s', { tags: 'long' }, async (_, answer) => {
    const { repo, patches: mails } = seriesOf('one\n', 'two\n')
    const server = await aSeriesServer({ tree: repo.path, jobs: make })
    const { patches } = server.fake.addSeries({ patches: mails, cover: { name: '[0/1] Two', content: 'Two.' } })
    await server.poll()
    server.fake.troubles.push({ match: /\/mbox\//, times: 4, ...answer }, { match: /\/covers\//, times: 1, ...answer })
    await server.build()
    expect(patches.map(server.shown)).toEqual([{ make: 'success: passed' }])
  })
})

function isFirst({ repeats }: RunResult): boolean {
  return repeats === undefined
}

/** Makes what waits in the outbox due. */
function expire(home: string): void {
  for (const name of readdirSync(join(home, 'outbox')).filter((one) => one.endsWith('.json'))) renameSync(join(home, 'outbox', name), join(home, 'outbox', name.replace(/^\d+/, '0')))
}
