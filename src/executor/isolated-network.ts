import { spawn } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { orMissing } from '../disk/read.ts'
import { findProgram } from './find-program.ts'
import { isRoot } from './is-root.ts'
import { send } from './processes.ts'

/** A way to the outside world for a network namespace, without this host's loopback. */
export interface IsolatedNetwork {
  /** Stands before the command: it gets a network namespace and waits there for a line on descriptor 3. */
  prefix: string[]
  /** Connects the namespace of that process. @throws where it cannot; `end` of the result takes the connection down */
  connect(pid: number, mark: string): Promise<{ end(): void }>
}

const waitForLine = 'read -r line <&3 && exec 3<&- && exec "$@"'

/** Milliseconds a connection may take. */
const patience = 10_000

/** slirp4netns, else, for an ordinary user, pasta, which refuses to serve root. Undefined where neither is installed. */
export function isolatedNetwork(): IsolatedNetwork | undefined {
  const [slirp, pasta, unshare] = ['slirp4netns', 'pasta', 'unshare'].map(findProgram)
  const own = isRoot() ? [] : ['--user', '--map-current-user']
  const command = slirp !== undefined ? slirpCommand(slirp) : pasta !== undefined && !isRoot() ? pastaCommand(pasta) : undefined
  if (command === undefined || unshare === undefined) return undefined
  return {
    prefix: [unshare, ...own, '--net', findProgram('sh') ?? '/bin/sh', '-c', waitForLine, 'sh'],
    connect: (pid, mark) => connect(command(pid), pid, mark),
  }
}

/** It ends by itself when descriptor 4 closes, thus with the builder. */
function slirpCommand(slirp: string): (pid: number) => string[] {
  const namespaces = (pid: number) => [...(isRoot() ? [] : [`--userns-path=/proc/${pid}/ns/user`]), '--netns-type=path', `/proc/${pid}/ns/net`]
  return (pid) => [slirp, '--configure', '--mtu=65520', '--disable-host-loopback', '--exit-fd=4', ...namespaces(pid), 'tap0']
}

/** No mapping of the gateway to the host, and no port of either side on the other. */
function pastaCommand(pasta: string): (pid: number) => string[] {
  return (pid) => [pasta, '--foreground', '--config-net', '--no-map-gw', '-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none', '--dns-forward', '10.0.2.3', '--ns-ifname', 'tap0', String(pid)]
}

/** How often one is tried. */
const attempts = 3

async function connect([command, ...options]: string[], pid: number, mark: string): Promise<{ end(): void }> {
  const deadline = Date.now() + patience
  // Before it is in a namespace of its own, this would connect the host to itself.
  const waits = () => read(pid, 'comm') === 'sh\n' && ![undefined, networkOf('self')].includes(networkOf(pid))
  await until(waits, deadline)
  if (!waits()) throw new Error(`connecting the sandbox to the network: it had no network namespace after ${patience} ms`)
  for (let attempt = 1; ; attempt++) {
    try {
      return await join([command!, ...options], { pid, mark, deadline })
    } catch (error) {
      // Builds were errored here a few times on a busy host, and hundreds of tries to make it happen again did not. Trying again costs milliseconds.
      if (attempt === attempts || Date.now() >= deadline) throw error
    }
  }
}

async function join([command, ...options]: string[], { pid, mark, deadline }: { pid: number; mark: string; deadline: number }): Promise<{ end(): void }> {
  const child = spawn(command!, options, { env: { QUERN_RUN: mark }, detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ignore', 'pipe'] })
  let failure: string | undefined
  let complaint = ''
  child.on('error', (error) => (failure = error.message))
  child.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(-300)))
  child.on('exit', (code) => (failure = `exit code ${code}, ${complaint.trim().replaceAll('\n', ', ')}`))
  // A route to everywhere, 0.0.0.0 in the second column, is what both programs set last.
  await until(() => failure !== undefined || /^tap0\t00000000\t/m.test(read(pid, 'net/route')), deadline)
  const end = () => void (child.pid !== undefined && failure === undefined && send('SIGKILL', child.pid))
  if (failure === undefined && Date.now() < deadline) return { end }
  end()
  throw new Error(`connecting the sandbox to the network with ${command}: ${failure ?? `no route after ${patience} ms`}`)
}

/** The identity of a process's network namespace. */
function networkOf(pid: number | 'self'): string | undefined {
  return orMissing(() => readlinkSync(`/proc/${pid}/ns/net`))
}

async function until(met: () => boolean, deadline: number): Promise<void> {
  while (!met() && Date.now() < deadline) await sleep(3)
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
