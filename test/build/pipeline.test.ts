import { spawnSync } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aPipelineHome } from '../helpers/a-pipeline-home.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { runQuern } from '../helpers/run-quern.ts'

const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

const head = "import { pipeline } from 'quern'\n"

test.skipIf(!sandbox)('a commit’s own pipeline is what is built, in the order of its stages, with what it asks for', async () => {
  const { buildCommit, result, console: log, list } = aPipelineHome()
  const build = await buildCommit({
    'file.txt': 'grain\n',
    '.quern/pipeline.ts': `${head}console.log('printed')
export default pipeline({ env: { WHO: 'miller' } }, (p) => {
  p.job('grind', 'sed s/grain/flour/ file.txt > out.txt; echo "$WHO: $(cat out.txt)"')
  p.stage('sell', () => {
    p.job('weigh', 'cat out.txt; wc -c < out.txt', { workspace: { from: 'grind' } })
    p.job('fail', 'echo "error: the sack is torn" >&2; exit 3')
  })
  p.job('never', 'true')
})`,
  })
  expect(result(build)).toMatchObject({
    verdict: 'failed',
    runs: [
      { name: 'grind', verdict: 'passed' },
      { name: 'weigh', verdict: 'passed' },
      { name: 'fail', verdict: 'failed', code: 3, blame: { class: 'new', reason: 'the commit has no parent' } },
      { name: 'fail~2', verdict: 'failed', repeats: 'fail' },
      { name: 'never', verdict: 'skipped', reason: 'it needs fail, which failed' },
    ],
  })
  expect(log(build, 'grind')).toBe('miller: flour\n')
  expect(log(build, 'weigh')).toBe('flour\n6\n')
  expect(list('cache/work')).toEqual([])
})

test.skipIf(!sandbox)('of the runs that work in one tree one is at work at a time, whomever they have it from', async () => {
  const { buildCommit, result } = aPipelineHome({ THREADS: '3' })
  const work = 'mkdir busy; sleep 0.3; rmdir busy'
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline({ network: false }, (p) => {
  p.job('first', 'true')
  p.job('second', 'true', { workspace: { from: 'first' } })
  p.job('third', '${work}', { workspace: { from: 'second' } })
  p.job('beside', '${work}', { workspace: { from: 'first' }, needs: ['second'] })
})`,
  })
  expect(result(build)).toMatchObject({ verdict: 'passed' })
})

test.skipIf(!sandbox)('a job that takes over a tree which the one before put a link in the place of, or removed, fails, and is executed nowhere else', async () => {
  const { buildCommit, result, console: log } = aPipelineHome({ BLAME: 'never' })
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}export default pipeline({ network: false }, (p) => {
  for (const [name, ruin] of [['link', 'rm -rf "$here" && ln -s /usr "$here"'], ['gone', 'rm -rf "$here"']] as const) {
    p.job(name, 'here=$PWD; cd ..; ' + ruin)
    p.job('after ' + name, 'pwd -P', { needs: [name], workspace: { from: name } })
  }
})`,
  })
  const reason = (name: string) => `the tree that it takes over from ${name} is no directory any more: a run before it has removed or replaced it`
  expect(result(build)).toMatchObject({
    verdict: 'failed',
    runs: ['link', 'gone'].flatMap((name) => [{ name, verdict: 'passed' }, { name: `after ${name}`, verdict: 'failed', reason: reason(name) }]),
  })
  expect(log(build, 'after link')).toBe(`quern: ${reason('link')}\n`)
})

test.skipIf(!sandbox)('a commit without a pipeline is built by the shipped chunks, and one that is at fault is told in record and console; the queue goes on', async () => {
  const { buildCommit, result, set, console: log } = aPipelineHome({ BLAME: 'never' })
  expect(result(await buildCommit({ Makefile: 'all:\n\t@echo made\n' }))).toMatchObject({ verdict: 'passed', runs: [{ name: 'build' }] })
  set('PIPELINE_TIMEOUT', '2')
  const endless = await buildCommit({ '.quern/pipeline.ts': `console.log('before the end')\nfor (;;);\n` })
  const reason = '.quern/pipeline.ts: it did not come to its end within 2 seconds'
  expect(result(endless)).toMatchObject({ verdict: 'failed', reason, runs: [{ name: 'pipeline', verdict: 'failed', reason }] })
  expect(log(endless, 'pipeline')).toBe(`before the end\nerror: ${reason}\n`)
  set('PIPELINE_TIMEOUT', '60')
  const hungry = await buildCommit({ '.quern/pipeline.ts': 'const all = []\nfor (;;) all.push(Array(1e5).fill(1.5))\n' })
  expect(result(hungry)).toMatchObject({ verdict: 'failed', reason: '.quern/pipeline.ts: it needs more than the 512 MiB of memory that it may have' })
  expect(result(await buildCommit({ '.quern/pipeline.ts': `${head}export default pipeline((p) => { if (p.repo.tag) p.job('a', 'true') })` }))).toMatchObject({ verdict: 'skipped', reason: 'ignored: .quern/pipeline.ts has no job for this request' })
  expect(result(await buildCommit({ '.quern/pipeline.ts': `${head}export default pipeline((p) => { p.job('a', 'true') })` }))).toMatchObject({ verdict: 'passed' })
})

test.skipIf(!sandbox)('a file is evaluated without network, secrets and sight of this host', async () => {
  const { buildCommit, result, home } = aPipelineHome({ SECRET: 'not-a-real-secret' })
  const build = await buildCommit({
    '.quern/pipeline.ts': `${head}import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
const found: string[] = []
for (const path of ${JSON.stringify([`${home}/environment.sh`, `${process.cwd()}/package.json`, '/root/.ssh', '/etc/shadow'])}) if (existsSync(path)) found.push('sees ' + path)
if (JSON.stringify(process.env).includes('not-a-real-secret')) found.push('knows a secret')
for (const path of ['/quern/pipeline/evaluate.js', '/usr/share/quern-was-here']) try { writeFileSync(path, ''); found.push('writes ' + path) } catch {}
const reached = await new Promise((resolve) => connect(53, '192.0.2.1').on('connect', () => resolve('')).on('error', (error: any) => resolve(error.code)))
if (reached !== 'ENETUNREACH') found.push('reaches the network: ' + reached)
export default pipeline((p) => { p.job(found.join(', ') || 'nothing', 'true') })`,
  })
  expect(result(build).runs.map(({ name }) => name)).toEqual(['nothing'])
})

test.skipIf(!sandbox)('what a file leaves in place of its answer is not followed', async () => {
  const { buildCommit, result, home } = aPipelineHome()
  writeFileSync(join(home, 'answer.json'), JSON.stringify({ defined: { jobs: [{ name: 'forged', script: 'true', stage: 0 }] } }))
  const build = await buildCommit({ '.quern/pipeline.ts': `require('node:fs').symlinkSync('${home}/answer.json', '../answer.json')\nprocess.reallyExit(0)\n` })
  expect(result(build)).toMatchObject({ verdict: 'failed', reason: '.quern/pipeline.ts: its process ended with exit code 0 and left no jobs' })
})

test.skipIf(!sandbox)('a link in place of the file, or of its directory, is no pipeline', async () => {
  const { repo, drop, build, result } = aPipelineHome()
  symlinkSync('/tmp', join(repo.path, 'ci'))
  drop({ commit_id: repo.commit({}), clone_url: repo.path, pipeline: 'file:ci/pipeline.ts' })
  await build()
  expect(result('app/1')).toMatchObject({ verdict: 'failed', reason: 'the commit has no file ci/pipeline.ts, which is to be its pipeline' })
})

test.skipIf(!sandbox)('an untrusted request’s pipeline is evaluated, and its jobs get no secret and no network and do not deploy', async () => {
  const { buildCommit, result, console: log } = aPipelineHome()
  const text = `${head}export default pipeline((p) => {
  p.job('look', 'echo "\${TOKEN-none} $(grep -c : /proc/net/dev) $(id -un)"', { secrets: ['TOKEN'], executor: 'shell' })
  p.job('publish', 'true', { deploy: true })
  p.job('tell', 'true', { needs: ['publish'] })
})`
  const build = await buildCommit({ '.quern/pipeline.ts': text }, { source: 'github', trusted: false })
  expect(result(build).runs).toMatchObject([
    { name: 'look', verdict: 'passed' },
    { name: 'publish', verdict: 'skipped', reason: 'it deploys, which is never done for untrusted requests' },
    { name: 'tell', verdict: 'skipped', reason: 'it needs publish, which was skipped' },
  ])
  expect(log(build, 'look')).toBe('none 1 quern\n')
})

test.skipIf(process.getuid?.() !== 0)('where there is no bubblewrap the build is errored with the package to install, and only a setting allows less', async () => {
  const { repo, drop, home, result } = aPipelineHome()
  const build = async (settings: Record<string, string> = {}) => {
    drop({ commit_id: repo.commit({ '.quern/pipeline.ts': `${head}export default pipeline({ executor: 'shell' }, (p) => { p.job('a', 'echo $(id -u)') })` }), clone_url: repo.path })
    const hide = ['unshare', '--mount', 'sh', '-c', 'for path in $(command -v -p bwrap) /usr/local/bin/bwrap; do [ -e "$path" ] && mount --bind /dev/null "$path"; done; exec bin/quern build']
    spawnSync(hide[0]!, hide.slice(1), { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home, ...settings } })
  }
  await build()
  expect(result('app/1')).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/bubblewrap is not installed here.*apt-get install bubblewrap.*PIPELINE_EXECUTOR="shell"/) })
  await build({ PIPELINE_EXECUTOR: 'shell' })
  expect(result('app/2')).toMatchObject({ verdict: 'passed' })
})

test.skipIf(!sandbox)('quern plan shows what a commit’s own pipeline would run, and leaves nothing behind', async () => {
  const { repo, home, list } = aPipelineHome()
  repo.commit({ '.quern/pipeline.ts': `${head}export default pipeline((p) => { p.job('grind ' + p.repo.branch, 'true') })` })
  const { stdout, stderr } = await runQuern(home, ['plan', repo.path])
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^Pipeline +file:\.quern\/pipeline\.ts\nWhy +the commit has a \.quern\/pipeline\.ts, and quern\.yaml names no other pipeline$/m)
  expect(stdout).toContain('grind main')
  expect(list('cache')).toEqual([])
})

test.skipIf(!sandbox)('a mistake in the pipeline file is compared with the parent like any failure, and a first file with one is new', { tags: 'long' }, async () => {
  const { buildCommit, repo, result } = aPipelineHome()
  const before = repo.commit({ 'file.txt': '' })
  await buildCommit({ '.quern/pipeline.ts': 'nonsense(' }, { before })
  expect(result('app/1')).toMatchObject({ verdict: 'failed', blame: { class: 'new', reason: expect.stringContaining('has no such run') } })
  await buildCommit({ 'file.txt': 'more' }, { before: repo.git('rev-parse', 'HEAD') })
  expect(result('app/3')).toMatchObject({ verdict: 'failed', blame: { class: 'parent', reason: expect.stringContaining('app/4') } })
})

test.skipIf(!sandbox)('a job that a pull request gets for the files that it changes is compared with the same job of the parent', { tags: 'long' }, async () => {
  const { buildCommit, repo, result } = aPipelineHome()
  const files = { '.quern/pipeline.ts': `${head}export default pipeline((p) => {
  if (p.repo.changed('src/**')) p.job('check', 'grep good state')
  else p.job('none', 'true')
})`, state: 'bad\n' }
  const base = repo.commit(files)
  await buildCommit({ 'src/file.txt': 'more\n' }, { ref: 'refs/pull/7/head', pull_request: { number: 7, base_ref: 'refs/heads/main', base_commit: base } })
  expect(result('app/1')).toMatchObject({ verdict: 'failed', blame: { class: 'parent' } })
})
