import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { BuildNetwork, Execution } from '../../src/executor/executor.ts'
import { findProgram } from '../../src/executor/find-program.ts'
import { openNetworkNamespace } from '../../src/executor/network-namespace.ts'
import { markedProcesses } from '../../src/executor/processes.ts'
import { openSandbox } from '../../src/executor/sandbox.ts'
import { makeExecution, runScript } from '../helpers/run-script.ts'
import { startExecution } from '../helpers/start-execution.ts'

const root = process.getuid?.() === 0
const installed = findProgram('bwrap') !== undefined
if (!installed) console.warn('skipped: networks of builds with services, because bubblewrap is not installed: apt-get install bubblewrap')
if (!root) console.warn('skipped: networks of builds that an ordinary user and root make beside each other, because this is not root')

const sandbox = openSandbox({ hidden: [] })
const builders = root ? [{}, { uid: 65_534 }] : [{}]

const serve = (port: number, word: string) => `exec node -e "require('net').createServer((c)=>c.on('error',()=>{}).end('${word}\\n')).listen(${port})"`
const ask = (name: string, port: number) => `for i in {1..200}; do (read -r word < /dev/tcp/${name}/${port} && echo "$word") 2>/dev/null && exit 0; sleep 0.05; done; exit 1`

test.runIf(installed).each(builders)('runs find each other by name on a loopback that nobody else is on, whatever has that port on the host (%j)', async (builder) => {
  const port = await listen('127.0.0.1')
  const service = makeExecution(serve(port, 'grain'), { beside: ['mill'] })
  const ending = await startExecution('sandbox', makeExecution(ask('mill', port), { beside: ['mill'] }), { ...builder, service }).ended
  expect(ending).toMatchObject({ verdict: 'passed', output: 'grain\n' })
})

test.runIf(installed)('two builds at once have the same port twice, and each its own service', async () => {
  const builds = ['one', 'two'].map((name) => open(name, { inwards: true }))
  const [one, two] = await Promise.all(builds)
  const services = [beside(one!, serve(8080, 'of one')), beside(two!, serve(8080, 'of two'))]
  const [first, second] = await Promise.all([one!, two!].map(({ reach }) => runScript(sandbox, ask('mill', 8080), { ...reach, beside: ['mill'] })))
  await Promise.all(services.map((service) => service.stop()))
  expect([first!.output, second!.output]).toEqual(['of one\n', 'of two\n'])
})

test.runIf(installed).each(builders)('nothing of it is left when its builder was killed (%j)', async (builder) => {
  const service = makeExecution('touch ready; sleep 60')
  const execution = makeExecution('touch ready; sleep 60')
  const { child, ended } = startExecution('sandbox', execution, { ...builder, service })
  await until(() => [service, execution].every(({ workspace }) => existsSync(join(workspace, 'ready'))))
  const build = execution.id.slice(0, execution.id.lastIndexOf('/'))
  expect(markedProcesses(build).some((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('read -r line'))).toBe(true)
  child.kill('SIGKILL')
  await ended.catch(() => {})
  await until(() => markedProcesses(build).length === 0)
})

test.runIf(installed)('it ends when it is removed', async () => {
  const network = await open('removed', { inwards: true })
  expect(markedProcesses(`namespaces-${process.pid}/removed`).length).toBeGreaterThan(0)
  await network.remove()
  expect(markedProcesses(`namespaces-${process.pid}/removed`)).toEqual([])
  const late = await runScript(sandbox, 'touch ran', network.reach)
  expect(late).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('nsenter') })
  expect(existsSync(join(late.workspace, 'ran'))).toBe(false)
})

test.runIf(installed && root)('where it cannot be made the run is errored, with the remedy', async () => {
  const tell = async (circumstances: Parameters<typeof startExecution>[2], given: Partial<Execution> = {}) => {
    const { verdict, reason } = await startExecution('sandbox', makeExecution('true', given), { service: makeExecution('true'), ...circumstances }).ended
    return `${verdict}: ${reason}`
  }
  expect(await tell({ uid: 65_534, namespaces: false })).toMatch(/^errored: making a network for the services of .*bwrap: .*sysctl/)
  expect(await tell({ without: ['nsenter'] })).toBe('errored: nsenter is not installed here: apt-get install util-linux bash findutils coreutils')
  expect(await tell({ without: ['slirp4netns', 'pasta'] }, { network: 'isolated' })).toContain('apt-get install slirp4netns')
})

async function open(name: string, options: { inwards: boolean }): Promise<BuildNetwork> {
  const network = await openNetworkNamespace(`namespaces-${process.pid}/${name}/1`, options)
  onTestFinished(network.remove)
  return network
}

/** Starts a run that lasts until it is stopped. */
function beside({ reach }: BuildNetwork, script: string): { stop(): Promise<void> } {
  const over = new AbortController()
  const ended = runScript(sandbox, script, { ...reach, signal: over.signal })
  const stop = async () => {
    over.abort()
    await ended
  }
  onTestFinished(stop)
  return { stop }
}

/** A server of this host that answers with something else. */
async function listen(host: string): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).end('chaff\n'))
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}

async function until(met: () => boolean): Promise<void> {
  for (let look = 0; !met() && look < 500; look += 1) await sleep(20)
  expect(met()).toBe(true)
}
