import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fastGlob from 'fast-glob'
import { expect, onTestFinished, test } from 'vitest'
import { homeId } from '../../src/build/world.ts'
import { findEngine } from '../../src/executor/engine.ts'
import { exitOf, until } from '../helpers/a-home.ts'
import { openTestEngine, testImage } from '../helpers/container-engine.ts'
import { gitRepo, gitTestEnvironment, type GitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { processesMarked } from '../helpers/processes-marked.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

const pipelineOf = (body: string) => `import { pipeline } from 'quern'\nexport default pipeline((p) => {\n${body}\n})\n`

test.skipIf(!sandbox)('a pipeline runs on the work tree as it stands, with progress, the report and the exit code', async () => {
  const repo = gitRepo()
  repo.commit({
    '.gitignore': 'ignored\n',
    'changed.txt': 'old\n',
    'gone.txt': 'gone\n',
    '.quern/pipeline.ts': pipelineOf(`  p.job('look', 'cat changed.txt new.txt; ls; git log --format=%s; echo "as it stands" > "$QUERN_SHARED/look.txt"')
  p.stage('test', () => void p.job('check', 'echo "mill.c:3:5: error: expected flour" >&2; exit 3'))
  p.job('publish', 'touch "${repo.path}/published"', { deploy: true, executor: 'shell' })`),
  }, 'Grind')
  for (const [name, text] of [['changed.txt', 'changed\n'], ['new.txt', 'new\n'], ['ignored', '']] as const) writeFileSync(join(repo.path, name), text)
  repo.git('rm', '--quiet', 'gone.txt')
  mkdirSync(join(repo.path, 'sub'))
  const before = [repo.git('status', '--short'), repo.git('for-each-ref'), repo.git('count-objects')]

  const { code, stdout, stderr } = await runQuern(undefined, ['run'], { cwd: join(repo.path, 'sub') })

  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  expect(stdout).toMatch(/^… look\nPASSED look 0:\d\d\n… check\nFAILED check 0:\d\d\n/)
  expect(stdout).toContain('First error of check (mill.c:3):\n  mill.c:3:5: error: expected flour')
  expect(stdout).toMatch(/🟢 : look +\[\w+\] passed +\d:\d\d as it stands/)
  expect(stdout).toMatch(/⚪ : publish +\[\w+\] skipped/)
  expect(stdout).toContain('"publish" was left out: it deploys')
  const record = join(repo.path, '.git/quern/builds', readdirSync(join(repo.path, '.git/quern/builds')).find((name) => name !== 'index.jsonl')!, '1')
  expect(readFileSync(join(record, 'runs/look/console.log'), 'utf8')).toBe('changed\nnew\nchanged.txt\nnew.txt\nGrind\nGrind\n')
  expect([repo.git('status', '--short'), repo.git('for-each-ref'), repo.git('count-objects')]).toEqual(before)
  expect(existsSync(join(repo.path, 'published'))).toBe(false)
})

test('the path of the repository may have blanks', async () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('look', 'ls')") })
  const path = join(tempDir(), 'my flour mill')
  renameSync(repo.path, path)
  expect(await runQuern(undefined, ['run'], { cwd: path })).toMatchObject({ code: 0, stdout: expect.stringContaining('PASSED look'), stderr: '' })
})

test('where the reader leaves before all is decided, as in git push 2>&1 | head, it is not taken for passed', { tags: 'long' }, () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('first', 'sleep 1')\n  p.job('second', 'exit 3')") })
  const script = '"$0" run | head -n 1; exit "${PIPESTATUS[0]}"'
  const { status } = spawnSync('bash', ['-c', script, join(process.cwd(), 'bin/quern')], { cwd: repo.path, env: { PATH: process.env['PATH'], NODE: process.execPath } })
  expect(status).toBe(1)
})

test('--json tells the result and where its record is, and nothing else on standard output', async () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('fail', 'echo a word; exit 3')") })
  const { code, stdout } = await runQuern(undefined, ['run', '--json'], { cwd: repo.path })
  const { directory, result } = JSON.parse(stdout) as { directory: string; result: unknown }
  expect(code).toBe(1)
  expect(result).toMatchObject({ verdict: 'failed', runs: [{ name: 'fail', verdict: 'failed', code: 3 }] })
  expect(JSON.parse(readFileSync(join(directory, 'result.json'), 'utf8'))).toEqual(result)
})

test.skipIf(!sandbox)('--job runs one job alone, with its services and the trees it takes over, and a deploy that it names', { tags: 'long' }, async () => {
  const repo = gitRepo()
  repo.commit({ 'ci/jobs.ts': pipelineOf(`  p.job('lint', 'exit 1')
  p.stage('build', () => {
    p.job('db', 'sleep 0.5; touch "$QUERN_SHARED/up"; sleep 100', { service: true, ready: 'test -e "$QUERN_SHARED/up"' })
    p.job('make', 'echo made > out')
    p.job('other', 'exit 1')
  })
  p.job('test', 'cat out', { workspace: { from: 'make' } })
  p.job('publish', 'test -e "$QUERN_SHARED/up"', { deploy: true })`) })
  const test = await runQuern(undefined, ['run', 'ci/jobs.ts', '--job', 'test'], { cwd: repo.path })
  expect(test.code).toBe(0)
  expect([...test.stdout.matchAll(/PASSED (\w+)/g)].map((match) => match[1])).toEqual(['make', 'test'])
  expect(test.stdout).toContain('… db')
  expect(test.stdout).toContain('STOPPED db')
  expect((await runQuern(undefined, ['run', 'jobs.ts', '--job', 'publish'], { cwd: join(repo.path, 'ci') })).stdout).toContain('PASSED publish')
})

test.skipIf(!sandbox)('a --job that is not there is a mistake in the command: told in a sentence, without a report', { tags: 'long' }, async () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('lint', 'true')\n  p.job('test', 'true')") })
  const told = { code: 2, stdout: '', stderr: 'quern: the pipeline has no job "nope" here: expected one of "lint", "test"\n' }
  expect(await runQuern(undefined, ['run', '--job', 'nope'], { cwd: repo.path })).toEqual(told)
  expect(await runQuern(undefined, ['run', '--job', 'lint'], { cwd: repo.path })).toMatchObject({ code: 0 })
})

test.skipIf(!sandbox)('a job gets the secrets that lie encrypted in the repository, masked', { tags: 'long' }, async () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf(`  p.job('a', 'echo "it is $NPM_TOKEN, \${#NPM_TOKEN} long"; ls secrets', { secrets: ['NPM_TOKEN'] })`) })
  await runQuern(undefined, ['secrets', 'keygen'], { cwd: repo.path })
  await runQuern(undefined, ['secrets', 'set', 'NPM_TOKEN'], { cwd: repo.path, input: 'not-a-real-token' })
  expect(await runQuern(undefined, ['run'], { cwd: repo.path })).toMatchObject({ code: 0, stderr: '' })
  const [log] = fastGlob.sync('.git/quern/builds/*/1/runs/a/console.log', { cwd: repo.path, absolute: true, dot: true })
  expect(readFileSync(log!, 'utf8')).toBe('it is ***, 16 long\nci.enc\n')
})

test('what stands in the way is told with the remedy, and is exit code 2', async () => {
  const repo = gitRepo()
  const told = async (words: string[], cwd = repo.path) => {
    const { code, stderr } = await runQuern(undefined, ['run', ...words], { cwd })
    return `${code} ${stderr.trimEnd()}`
  }
  expect(await told([])).toMatch(/^2 quern: .* has no \.quern\/pipeline\.ts or \.quern\/pipeline\.js: write one \(docs\/pipelines\.md\)/)
  expect(await told(['nowhere.ts'])).toBe('2 quern: nowhere.ts: no such file')
  expect(await told(['../x.ts'])).toMatch(/^2 quern: \.\.\/x\.ts is outside of the repository/)
  expect(await told([], tempDir())).toMatch(/^2 quern: .*not a git repository/)
})

test.skipIf(!sandbox)('a file that is at fault is told, once, before the first commit, too', async () => {
  const repo = gitRepo()
  mkdirSync(join(repo.path, '.quern'))
  writeFileSync(join(repo.path, '.quern/pipeline.js'), pipelineOf("  p.job('a', 'true')\n  p.job('a', 'true')"))
  const { code, stdout } = await runQuern(undefined, ['run'], { cwd: repo.path })
  expect(code).toBe(1)
  expect(stdout.match(/\.quern\/pipeline\.js:4: two jobs or stages are named "a"/g)).toHaveLength(1)
})

test.skipIf(!sandbox)('interrupted, it ends what it started and leaves with 1', async () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('slow', 'sleep 300 & sleep 300')") })
  const child = spawn(join(process.cwd(), 'bin/quern'), ['run'], { cwd: repo.path, env: { PATH: process.env['PATH'], NODE: process.execPath }, stdio: 'ignore' })
  const home = join(repo.path, '.git/quern')
  await until('the job runs', () => existsSync(home) && processesMarked(home).length > 2)
  child.kill('SIGINT')
  expect(await exitOf(child)).toBe(1)
  expect(processesMarked(home)).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)('without bubblewrap the person’s own code runs as the person, and that is said', () => {
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('who', 'id -u')") })
  const hide = 'for path in /usr/bin/bwrap /usr/local/bin/bwrap /bin/bwrap; do [ -e "$path" ] && mount --bind /dev/null "$path"; done; exec "$0" run'
  const { status, stdout } = spawnSync('unshare', ['--mount', 'sh', '-c', hide, join(process.cwd(), 'bin/quern')], { cwd: repo.path, env: { PATH: process.env['PATH'], NODE: process.execPath }, encoding: 'utf8' })
  expect(stdout).toMatch(/^There is no sandbox here \(bubblewrap on Linux\): jobs without an image run as you/)
  expect(stdout).toContain('PASSED who')
  expect(status).toBe(0)
})

/** Pushes to a repository beside it; the hook runs what it runs. */
function push(repo: GitRepo, to: string) {
  const { status, stdout, stderr } = spawnSync('git', ['push', to, 'HEAD:refs/heads/main'], { cwd: repo.path, env: { ...gitTestEnvironment, HOME: repo.path, NODE: process.execPath }, encoding: 'utf8' })
  return { status, told: `${stdout}${stderr}` }
}

test.skipIf(!sandbox)('the hook runs the pipeline before a push, keeps the one that was there, and can be taken away', { tags: 'long' }, async () => {
  const repo = gitRepo()
  const server = gitRepo(['--bare']).path
  const install = (...words: string[]) => runQuern(undefined, ['install-hook', ...words], { cwd: repo.path })
  const hook = join(repo.path, '.git/hooks/pre-push')
  mkdirSync(join(repo.path, '.git/hooks'), { recursive: true })
  writeFileSync(hook, '#!/bin/sh\necho "own hook: $1 $(cat)" >> own.log\n[ ! -e refuse ]\n')
  chmodSync(hook, 0o755)
  repo.commit({ '.gitignore': 'own.log\nrefuse\n', '.quern/pipeline.ts': pipelineOf("  p.job('check', 'test -e good')") })

  expect((await install()).stdout).toContain('is kept as')
  expect((await install()).stdout).toContain('is there already; it was written anew')
  const written = readFileSync(hook, 'utf8')
  writeFileSync(hook, written.replaceAll(join(process.cwd(), 'bin/quern'), '/nothing/bin/quern'))
  expect(push(repo, server).told).toContain('pre-push: Quern is not there any more: /nothing/bin/quern')
  writeFileSync(hook, written)

  const refused = push(repo, server)
  expect(refused.status).not.toBe(0)
  expect(refused.told).toContain('FAILED check')
  expect(readFileSync(join(repo.path, 'own.log'), 'utf8')).toMatch(new RegExp(`own hook: ${server} HEAD [0-9a-f]{40} refs/heads/main`))

  writeFileSync(join(repo.path, 'good'), '')
  writeFileSync(join(repo.path, 'refuse'), '')
  expect(push(repo, server).told).not.toContain('check')
  spawnSync('rm', [join(repo.path, 'refuse')])
  expect(push(repo, server)).toMatchObject({ status: 0, told: expect.stringContaining('PASSED check') })

  expect((await install('--remove')).stdout).toContain('is again the one that was there before')
  expect(readFileSync(hook, 'utf8')).toContain('own hook')
  expect((await install('--remove')).code).toBe(2)
})

test('containers of a run that was killed are removed by the next one', { tags: 'long' }, async (context) => {
  const engine = openTestEngine()
  if (typeof engine === 'string') return context.skip(engine)
  onTestFinished(engine.remove)
  const podman = findEngine(engine.settings)
  if (typeof podman === 'string') throw new Error(podman)
  const repo = gitRepo()
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('wait', 'touch began; sleep 60', { executor: 'shell' })") })
  const own = join(repo.path, '.git/quern')
  const env = { ENGINE: 'podman', ENGINE_OPTIONS: engine.settings.engineOptions.join(' '), HOME: engine.settings.engineEnvironment['HOME']! }
  const killed = spawn(join(process.cwd(), 'bin/quern'), ['run'], { cwd: repo.path, env: { PATH: process.env['PATH'], NODE: process.execPath, ...env }, stdio: 'ignore' })
  await until('the job has begun', () => fastGlob.sync('cache/work/*/tree/began', { cwd: own }).length > 0)
  killed.kill('SIGKILL')
  await exitOf(killed)
  expect(await podman.run('create', '--label', `quern.home=${homeId(own)}`, '--network', 'none', testImage, 'true')).toMatchObject({ ok: true })
  repo.commit({ '.quern/pipeline.ts': pipelineOf("  p.job('wait', 'true', { executor: 'shell' })") })
  expect(await runQuern(undefined, ['run'], { cwd: repo.path, env })).toMatchObject({ code: 0 })
  expect((await podman.run('ps', '--all', '--quiet')).stdout).toBe('')
})
