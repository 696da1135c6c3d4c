/** @module-tag long */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { expect, test, vi } from 'vitest'
import { type ContainerSettings, openContainer } from '../../src/executor/container.ts'
import { findEngine } from '../../src/executor/engine.ts'
import { findProgram } from '../../src/executor/find-program.ts'
import { endMissed } from '../../src/executor/leftovers.ts'
import { until } from '../helpers/a-home.ts'
import { makeExecution } from '../helpers/run-script.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const { program } = vi.hoisted(() => ({ program: { path: '' } }))
vi.mock(import('../../src/executor/find-program.ts'), async (original) => {
  const { findProgram } = await original()
  return { findProgram: (name) => (name === 'docker' ? program.path : findProgram(name)) }
})

/** An engine that takes its time to start a container, whose script is deaf to SIGTERM. */
const slowEngine = `#!/bin/bash
cd "\${0%/*}"
case $1 in
  start) touch starting; sleep 1; touch running; for (( look = 0; look < 200; look++ )); do [ -e killed ] && exit 137; sleep 0.1; done; echo 'ended by itself' ;;
  exec) [ -e running ] || { echo 'the container is not running' >&2; exit 1; } ;;
  kill) [ -e running ] || { echo 'the container is not running' >&2; exit 1; }; touch killed ;;
  inspect) echo '2026-01-01T00:00:00Z|137|false|false' ;;
esac
`

/** An engine whose command line loses its container: what asks later finds that it runs. */
const losingEngine = `#!/bin/bash
case $1 in
  inspect) echo '2026-01-01T00:00:00Z|0|false|true' ;;
esac
`

/** An engine that is away when its container ends, and comes back while it is asked to remove it. */
const absentEngine = `#!/bin/bash
cd "\${0%/*}"
away() { echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1; }
case $1 in
  start) touch away; exit 1 ;;
  inspect) away ;;
  rm) if [ -e away ]; then rm away; away; fi; touch removed ;;
esac
`

const keepingEngine = `#!/bin/bash
case $1 in
  start) exit 3 ;;
  inspect) echo '2026-01-01T00:00:00Z|3|false|false' ;;
  rm) echo 'device or resource busy' >&2; exit 1 ;;
esac
`

/** An engine whose command line is killed, and its container with it. */
const killedEngine = `#!/bin/bash
case $1 in
  start) kill -9 $$ ;;
  inspect) echo '2026-01-01T00:00:00Z|137|false|false' ;;
esac
`

/** Engines on hosts whose control groups do not let them limit anything. */
const warnings = ['Resource limits are not supported and ignored on cgroups V1 rootless systems', 'WARNING: Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.']
const unlimitedEngine = (warning: string) => `#!/bin/bash
case $1 in
  create) echo '${warning}' >&2 ;;
  inspect) echo '2026-01-01T00:00:00Z|0|false|false' ;;
esac
`

function containersOf(engine: string, environment: Record<string, string> = {}) {
  const directory = tempDir()
  program.path = join(directory, 'engine')
  writeFileSync(program.path, engine, { mode: 0o755 })
  const settings: ContainerSettings = { engine: 'docker', engineOptions: [], engineEnvironment: { PATH: '/usr/bin:/bin', ...environment }, left: join(directory, 'left'), pull: 'never', user: '1000' }
  return { directory, container: openContainer(settings), settings }
}

test('a container that is told to die before it runs is told again', async () => {
  const { directory, container } = containersOf(slowEngine)
  let output = ''
  const stop = new AbortController()
  const ended = container.execute(makeExecution('true', { image: 'any', limits: { timeout: 60_000, grace: 1 }, output: (chunk) => void (output += Buffer.from(chunk).toString()) }), stop.signal)
  await until('it starts', () => existsSync(join(directory, 'starting')))
  stop.abort()
  expect({ ...(await ended), output }).toMatchObject({ verdict: 'cancelled', output: '' })
})

test('a run has not passed because the connection to its container broke: the script was still at work', async () => {
  const { container } = containersOf(losingEngine)
  const ending = await container.execute(makeExecution('exit 3', { image: 'any' }), new AbortController().signal)
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('while the container ran on') })
})

test('an engine that was away when a run ended is asked until it removes the container, and the run tells what happened to it', async () => {
  const { container, directory } = containersOf(absentEngine)
  const ending = await container.execute(makeExecution('true', { image: 'any' }), new AbortController().signal)
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/^asking docker how the container ended: Cannot connect/) })
  expect(existsSync(join(directory, 'removed'))).toBe(true)
})

test('a container that cannot be removed is told behind what happened', async () => {
  const { container } = containersOf(keepingEngine)
  const ending = await container.execute(makeExecution('exit 3', { image: 'any' }), new AbortController().signal)
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/^the script failed; removing the container quern-\w+ with docker: device or resource busy/) })
})

test('a run whose engine was killed has met no limit of its memory', async () => {
  const { container } = containersOf(killedEngine)
  const ending = await container.execute(makeExecution('true', { image: 'any' }), new AbortController().signal)
  expect(ending).toEqual({ verdict: 'errored', reason: 'docker start --attach was ended by SIGKILL, and the script with it' })
})

test.each(warnings)('that an engine holds no limits is said: %s', async (warning) => {
  const { container } = containersOf(unlimitedEngine(warning))
  const ending = await container.execute(makeExecution('true', { image: 'any' }), new AbortController().signal)
  expect(ending).toEqual({ verdict: 'passed', code: 0, notes: [expect.stringContaining(warning.replace(/\.$/, ''))] })
})

/** An engine whose host is gone once the container runs: what asks it waits for an answer for ever. */
const goneEngine = `#!/bin/bash
cd "\${0%/*}"
case $1 in
  start) touch gone; exec sleep 600 ;;
  *) [ ! -e gone ] || exec sleep 600 ;;
esac
`

test('a run whose engine gives no answer any more ends all the same, and a stopped one within seconds', async () => {
  const { directory, container } = containersOf(goneEngine)
  const stop = new AbortController()
  const ended = container.execute(makeExecution('true', { image: 'any', limits: { timeout: 100, grace: 100 } }), stop.signal)
  await until('it is to be removed', () => existsSync(join(directory, 'gone')))
  setTimeout(() => stop.abort(), 2500)
  expect(await ended).toMatchObject({ verdict: 'cancelled', reason: expect.stringContaining('it gave no answer in time') })
}, 30_000)

/** An engine on another host, whose archives lie: a link and a file behind it, a hard link to a file outside, names that lead out, a device. */
const lyingEngine = `#!/bin/bash
cd "\${0%/*}"
case $1 in
  inspect) echo '2026-01-01T00:00:00Z|0|false|false' ;;
  cp)
    [ "$3" = - ] || { cat > sent-here; exit 0; }
    exec 2>/dev/null
    mkdir -p sent/up outside
    echo theirs > sent/file
    tar -C sent -cf archive ./file
    for link in up; do
      rmdir sent/$link; ln -s "$PWD/outside" sent/$link; tar -C sent -rf archive ./$link
      rm sent/$link; mkdir sent/$link; echo theirs > sent/$link/through-link; tar -C sent -rf archive ./$link/through-link
    done
    ln sent/file sent/hard; tar -C sent -P -rf archive --transform="s|^\\./file|$PWD/outside/mine|;s|^\\./hard|./hard|" ./file ./hard
    tar -C sent -P -rf archive --transform="s|^\\./file|../above|h" ./file
    [ "$UID" != 0 ] || { mknod sent/device c 1 3; tar -C sent -rf archive ./device; }
    cat archive ;;
esac
`

test('nothing is written outside of a workspace by what comes back from another host, whatever its archive says', async () => {
  const { directory, container } = containersOf(lyingEngine, { DOCKER_HOST: 'tcp://127.0.0.1:1' })
  mkdirSync(join(directory, 'outside'))
  writeFileSync(join(directory, 'outside/mine'), 'mine\n')
  const execution = makeExecution('true', { image: 'any' })
  await container.execute(execution, new AbortController().signal)
  expect(readFileSync(join(execution.workspace, 'file'), 'utf8')).toBe('theirs\n')
  expect(readdirSync(join(directory, 'outside'))).toEqual(['mine'])
  expect(readFileSync(join(directory, 'outside/mine'), 'utf8')).toBe('mine\n')
  expect(lstatSync(join(directory, 'outside/mine')).nlink).toBe(1)
  expect(existsSync(join(execution.workspace, '../above'))).toBe(false)
  expect(lstatSync(join(execution.workspace, 'device'), { throwIfNoEntry: false })).toBeUndefined()
})

/** An engine that takes a while to fetch an image, and whose script goes on for long. */
const fetchingEngine = `#!/bin/bash
cd "\${0%/*}"
case $1 in
  create) sleep 1.5 ;;
  start) touch started; exec sleep 600 ;;
  exec) touch asked ;;
esac
`

test('what it takes to fetch an image is not given to the script once more', async () => {
  const { directory, container } = containersOf(fetchingEngine)
  const ending = await container.execute(makeExecution('true', { image: 'any', limits: { timeout: 3000, grace: 1 } }), new AbortController().signal)
  expect(ending).toMatchObject({ verdict: 'timed-out' })
  const at = (name: string) => lstatSync(join(directory, name)).mtimeMs
  expect(at('asked') - at('started')).toBeLessThan(3000)
})

/** An engine that is away from the moment its container is to end until `back` is there. */
const returningEngine = `#!/bin/bash
cd "\${0%/*}"
[ ! -e away ] || [ -e back ] || { echo 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2; exit 1; }
case $1 in
  start) touch away; exec sleep 600 ;;
  ps) [ -e left ] || touch forgotten; [ -e removed ] || echo 0a1b2c ;;
  rm) echo "$*" > removed ;;
esac
`

test('what a stopped builder cannot wait to have removed is removed by the next one, once the engine is back', async () => {
  const { directory, container, settings } = containersOf(returningEngine)
  const stop = new AbortController()
  const ended = container.execute(makeExecution('true', { image: 'any', limits: { timeout: 60_000, grace: 1 } }), stop.signal)
  await until('it starts', () => existsSync(join(directory, 'away')))
  stop.abort()
  const stopped = performance.now()
  expect(await ended).toMatchObject({ verdict: 'cancelled', reason: expect.stringContaining('Cannot connect') })
  expect(performance.now() - stopped).toBeLessThan(15_000)
  await endMissed('home', settings)
  expect(existsSync(settings.left!)).toBe(true)
  writeFileSync(join(directory, 'back'), '')
  await endMissed('home', settings)
  expect(readFileSync(join(directory, 'removed'), 'utf8')).toBe('rm --force --volumes 0a1b2c\n')
  expect(existsSync(settings.left!)).toBe(false)
  // A builder that had been killed while it asked would have left the note to the next one.
  expect(existsSync(join(directory, 'forgotten'))).toBe(false)
})

test.runIf(process.getuid?.() === 0)('an ordinary user’s run works in a tree in which the one before has closed directories, also on another host', () => {
  const place = tempDir()
  const outfile = join(place, 'copies.mjs')
  buildSync({ entryPoints: ['src/executor/engine-copies.ts'], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  chmodSync(place, 0o777)
  // What comes back holds a directory that its owner may not write, as Go makes them for modules.
  const archive = 'mkdir -p there/modules && touch there/modules/file && exec tar -C there --mode=a-w -cf - ./modules'
  const copies = `import { spawn } from 'node:child_process'
    import { copyOut } from '${outfile}'
    const runUntil = ({ output }) => new Promise((resolve) => {
      spawn('bash', ['-c', '${archive}'], { stdio: ['ignore', output, 'inherit'] }).on('close', (code) => resolve({ ok: code === 0, stderr: '' }))
      output.destroy()
    })
    for (let run = 0; run < 2; run += 1) await copyOut({ runUntil }, 'name', { workspace: '${place}/tree', id: 'home/closed' }, new AbortController().signal)`
  execFileSync(findProgram('setpriv')!, ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'bash', '-c', 'mkdir tree && exec "$@"', 'bash', process.execPath, '--input-type=module', '-e', copies], { cwd: place, env: { PATH: '/usr/bin:/bin' } })
  expect(lstatSync(join(place, 'tree/modules')).mode & 0o222).toBe(0)
})

test('an engine on another host is known by its variable, its option, and its context, named or in use', () => {
  program.path = '/bin/true'
  const config = tempDir()
  for (const [name, host] of [['far', 'ssh://ci@build.example.org'], ['near', 'unix:///run/user/1000/docker.sock']] as const) {
    const directory = join(config, 'contexts/meta', createHash('sha256').update(name).digest('hex'))
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'meta.json'), JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker: { Host: host } } }))
  }
  const isRemote = (environment: Record<string, string>, ...engineOptions: string[]) => {
    const engine = findEngine({ engine: 'docker', engineOptions, engineEnvironment: { DOCKER_CONFIG: config, ...environment } })
    return typeof engine === 'object' && engine.remote
  }
  expect([isRemote({ DOCKER_HOST: 'ssh://far' }), isRemote({}, '-H', 'tcp://far:2376'), isRemote({}, '--host=ssh://far'), isRemote({ DOCKER_CONTEXT: 'far' }), isRemote({}, '--context', 'far')]).toEqual([true, true, true, true, true])
  expect([isRemote({}), isRemote({ DOCKER_HOST: 'unix:///x' }), isRemote({ DOCKER_CONTEXT: 'near' }), isRemote({ DOCKER_CONTEXT: 'default' }), isRemote({}, '--log-level=error')]).toEqual([false, false, false, false, false])
  writeFileSync(join(config, 'config.json'), '{"currentContext": "far"}')
  expect([isRemote({}), isRemote({ DOCKER_CONTEXT: 'default' })]).toEqual([true, false])
})
