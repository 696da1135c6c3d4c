import { spawn } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { createNetwork } from '../../src/executor/build-network.ts'
import { type ContainerSettings, openContainer } from '../../src/executor/container.ts'
import { endLeftContainers } from '../../src/executor/containers.ts'
import { findEngine } from '../../src/executor/engine.ts'
import { findProgram } from '../../src/executor/find-program.ts'
import { endLeftovers } from '../../src/executor/leftovers.ts'
import { hostPrograms, openTestEngine, testImage } from '../helpers/container-engine.ts'
import { describeExecutor } from '../helpers/executor-suite.ts'
import { freePort } from '../helpers/free-port.ts'
import { bareEnvironment, makeExecution, runScript } from '../helpers/run-script.ts'
import { startExecution } from '../helpers/start-execution.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const engine = openTestEngine()
const given = { image: testImage, mounts: [hostPrograms] }

if (typeof engine !== 'string') {
  afterAll(() => engine.remove())
  const executor = openContainer(engine.settings)
  const podman = findEngine(engine.settings)
  if (typeof podman === 'string') throw new Error(podman)

  const podmanHas = async (...question: string[]) => {
    for (let look = 0; look < 100 && (await podman.run(...question)).stdout === ''; look += 1) await sleep(100)
  }

  describeExecutor({ name: 'container', executor, given, adds: ['PATH', 'HOME', 'HOSTNAME', 'TERM', 'container'], holdsAll: true, slow: true })

  test('what is mounted below /quern, like the mirror of an untrusted request, is there', async () => {
    const directory = tempDir()
    chmodSync(directory, 0o755)
    writeFileSync(join(directory, 'HEAD'), 'ref\n')
    const mirror = { from: directory, to: '/quern/repository.git', readonly: true }
    const { output } = await runScript(executor, 'cat /quern/repository.git/HEAD; touch /quern/repository.git/x 2>/dev/null || echo read-only', { ...given, mounts: [hostPrograms, mirror] })
    expect(output).toBe('ref\nread-only\n')
  })

  test('no container is left, however a run ended', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 150)
    await Promise.all([
      runScript(executor, 'exit 1', given),
      runScript(executor, 'sleep 60', { ...given, signal: controller.signal }),
      runScript(executor, 'true', { ...given, mounts: [] }),
    ])
    expect((await podman.run('ps', '--all', '--quiet')).stdout).toBe('')
  })

  test('an image that is not here is errored, with the command that gets it', async () => {
    const { verdict, reason } = await runScript(executor, 'true', { ...given, image: 'localhost/not-there:7' })
    expect({ verdict, reason }).toEqual({ verdict: 'errored', reason: expect.stringContaining('podman pull localhost/not-there:7') })
  })

  test('a registry that hangs holds a run no longer than its time, nor a cancelled one', async () => {
    const registry = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
    onTestFinished(() => void registry.close())
    await once(registry, 'listening')
    const image = `127.0.0.1:${(registry.address() as AddressInfo).port}/hangs:1`
    const fetching = openContainer({ ...engine.settings, pull: 'missing' })
    expect(await runScript(fetching, 'true', { ...given, image, limits: { timeout: 700, grace: 100 } })).toMatchObject({ verdict: 'timed-out', reason: expect.stringContaining(image) })
    expect(await runScript(fetching, 'true', { ...given, image, signal: AbortSignal.timeout(500) })).toMatchObject({ verdict: 'cancelled' })
    expect((await podman.run('ps', '--all', '--quiet')).stdout).toBe('')
  })

  test('what fetches an image for a builder that died is ended by the next one', async () => {
    const registry = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
    onTestFinished(() => void registry.close())
    await once(registry, 'listening')
    const home = `fetching-${process.pid}`
    const fetching = openContainer({ ...engine.settings, pull: 'missing' })
    const image = `127.0.0.1:${(registry.address() as AddressInfo).port}/hangs:1`
    const ended = runScript(fetching, 'true', { ...given, id: `${home}/p/1/r`, image, limits: { timeout: 60_000, grace: 100 } })
    await once(registry, 'connection')
    expect(await endLeftovers(home, engine.settings)).toBeGreaterThan(0)
    expect(await ended).toMatchObject({ verdict: 'errored' })
  })

  test('a run without an image is errored', async () => {
    expect(await runScript(executor, 'true')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('names no image') })
  })

  test('an image without bash fails and says so', async () => {
    expect(await runScript(executor, 'true', { ...given, mounts: [] })).not.toMatchObject({ verdict: 'passed' })
  })

  test('a script that calls a command which is not there is not told that its image has no bash', async () => {
    const { reason, output, code } = await runScript(executor, 'no-such-command', given)
    expect({ reason, output, code }).toEqual({ reason: undefined, output: expect.stringMatching(/^(?!quern).*no-such-command/), code: 127 })
  })

  test('an image with a shell and no bash is told on the console', async () => {
    const shell = join(tempDir(), 'usr')
    for (const name of ['bin', 'lib', 'lib64']) mkdirSync(join(shell, name), { recursive: true })
    for (const directory of [shell, dirname(shell)]) chmodSync(directory, 0o755)
    copyFileSync('/bin/sh', join(shell, 'bin/sh'))
    const libraries = ['lib', 'lib64'].map((name) => ({ from: `/usr/${name}`, to: `/usr/${name}`, readonly: true }))
    const { verdict, output, code } = await runScript(executor, 'true', { ...given, mounts: [{ from: shell, to: '/usr', readonly: true }, ...libraries] })
    expect({ verdict, output, code }).toEqual({ verdict: 'failed', output: 'quern: the image has no bash, which executes the script\n', code: 127 })
  })

  test('inside there are no capabilities, no network, a read-only root and a user that owns nothing', async () => {
    const { output } = await runScript(executor, 'grep -E "^CapEff|^NoNewPrivs" /proc/self/status; grep -c : /proc/net/dev; touch /x /usr/x 2>&1 | grep -c Read-only; id -u; touch /tmp/x && echo tmp', given)
    expect(output.split('\n').slice(0, -1)).toEqual(['CapEff:\t0000000000000000', 'NoNewPrivs:\t1', '1', '2', expect.stringMatching(/^2\d{9}$/), 'tmp'])
  })

  test('memory over the limit ends the run and the reason tells the limit', async () => {
    const { verdict, reason } = await runScript(executor, 'exec node -e "const a=[];for(let i=0;i<40;i++)a.push(Buffer.alloc(32<<20,1));console.log(1)"', { ...given, limits: { timeout: 60_000, grace: 500, memory: 128 * 1024 * 1024 } })
    expect({ verdict, reason }).toEqual({ verdict: 'failed', reason: expect.stringContaining('128 MiB') })
  })

  test('containers that a dead builder left are ended by their home', async () => {
    const home = `dead-${process.pid}`
    const options = ['--label', `quern.home=${home}`, '--network', 'none', '--volume', '/usr:/usr:ro', ...podman.createOptions, testImage, '/bin/sleep', '60']
    expect(await podman.run('run', '--detach', '--log-driver', 'none', ...options)).toMatchObject({ ok: true })
    expect(await endLeftContainers(home, engine.settings)).toBe(1)
    expect(await endLeftContainers(home, engine.settings)).toBe(0)
    expect((await podman.run('ps', '--all', '--quiet')).stdout).toBe('')
  })

  test.skipIf(findProgram('docker') === undefined)('with an engine on another host the workspace goes there and comes back, and history and mirror are copied there', { tags: 'long' }, async () => {
    const port = await freePort()
    const service = spawn(podman.command[0]!, [...podman.command.slice(1), 'system', 'service', '--time', '60', `tcp:127.0.0.1:${port}`], { env: engine.settings.engineEnvironment, stdio: 'ignore' })
    onTestFinished(() => void service.kill('SIGKILL'))
    const settings: ContainerSettings = { ...engine.settings, engine: 'docker', engineOptions: [], engineEnvironment: { ...engine.settings.engineEnvironment, DOCKER_HOST: `tcp://127.0.0.1:${port}` } }
    const docker = findEngine(settings)
    if (typeof docker === 'string') throw new Error(docker)
    for (let look = 0; look < 100 && !(await docker.run('version')).ok; look += 1) await sleep(100)
    const history = tempDir()
    writeFileSync(join(history, 'pack'), 'old\n')
    // Where they were mounted, they could not be written to.
    const mounts = [history, '/quern/repository.git'].map((to) => ({ from: history, to, readonly: true, portable: true }))
    const execution = makeExecution(`cat given ${mounts.map(({ to }) => `${to}/pack`).join(' ')}; touch ${mounts.map(({ to }) => `${to}/copy`).join(' ')} && echo "$VALUE"; mkdir -p out; echo made > out/file; rm given; rm turned; mkdir turned; ln -s ../../../../etc/passwd link; mkfifo pipe; touch ours/new; touch $'odd\\n\\xff'; exit 4`, { ...given, mounts: [hostPrograms, ...mounts], env: { ...bareEnvironment, VALUE: "it's" } })
    for (const name of ['given', 'turned']) writeFileSync(join(execution.workspace, name), 'brought\n')
    mkdirSync(join(execution.workspace, 'ours'))
    symlinkSync("../../../../../../../../it's/out", join(execution.workspace, 'ours/link'))
    // As an ordinary user's builder would have it.
    for (const name of ['given', 'turned', 'ours']) chownSync(join(execution.workspace, name), 1234, 1234)
    let output = ''
    const ending = await openContainer(settings).execute({ ...execution, output: (chunk) => void (output += Buffer.from(chunk).toString()) }, new AbortController().signal)
    expect({ ...ending, output }).toEqual({ verdict: 'failed', code: 4, output: "brought\nold\nold\nit's\n" })
    expect(readFileSync(join(execution.workspace, 'out/file'), 'utf8')).toBe('made\n')
    expect(readdirSync(history)).toEqual(['pack'])
    expect(readdirSync(execution.workspace, 'latin1')).toEqual(['link', 'odd\n\xff', 'ours', 'out', 'pipe', 'turned'])
    expect(readlinkSync(join(execution.workspace, 'link'))).toBe('../../../../etc/passwd')
    expect(readdirSync(join(execution.workspace, 'ours'))).toEqual(['link', 'new'])
    expect(readlinkSync(join(execution.workspace, 'ours/link'))).toBe("../../../../../../../../it's/out")
    expect(lstatSync(join(execution.workspace, 'given'), { throwIfNoEntry: false })).toBeUndefined()
    expect(lstatSync(join(execution.workspace, 'ours')).uid).toBe(0)
    expect((await podman.run('ps', '--all', '--quiet')).stdout).toBe('')
  })

  test('a podman that speaks to another host gets no options for this one', () => {
    const remote = findEngine({ ...engine.settings, engineEnvironment: { CONTAINER_HOST: 'ssh://ci@build.example.org' } })
    expect(remote).toMatchObject({ remote: true, command: [expect.stringContaining('podman'), ...engine.settings.engineOptions] })
  })

  test('on a build\'s network a service answers by its name, and the network goes with the build', { tags: 'long' }, async (context) => {
    const network = await createNetwork(`home/net/${process.pid}`, { ...engine.settings, inwards: true }).catch((error: Error) => error)
    if (network instanceof Error) return context.skip(`skipped: services by name, because ${network.message}`)
    const controller = new AbortController()
    const { name } = network.reach.network as { name: string }
    const options = { ...given, network: { name } }
    const service = runScript(executor, `node -e "require('net').createServer((c)=>c.end('served')).listen(5432)"`, { ...options, alias: 'database', signal: controller.signal, limits: { timeout: 60_000, grace: 100 } })
    await podmanHas('ps', '--quiet', '--filter', `network=${name}`)
    const job = await runScript(executor, 'for i in 1 2 3 4 5 6 7 8 9 10; do cat 2>/dev/null < /dev/tcp/database/5432 && exit 0; sleep 0.3; done; cat /etc/hosts; exit 1', options)
    controller.abort()
    await service
    await network.remove()
    if (job.verdict === 'errored') return context.skip(`skipped: services by name, because this engine has no working named network: ${job.reason ?? job.output}`)
    expect(job).toMatchObject({ verdict: 'passed', output: 'served' })
  })
}

test.runIf(process.getuid?.() === 0)('an engine that is not installed is errored with its package, and nothing else is tried', async () => {
  const execution = makeExecution('touch ran', given)
  const ending = await startExecution('container', execution, { without: ['podman', 'docker'] }).ended
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('apt-get install podman') })
  expect(existsSync(join(execution.workspace, 'ran'))).toBe(false)
})
