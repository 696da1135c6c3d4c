import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readlinkSync } from 'node:fs'
import { exitOf } from './ending.ts'
import type { BuildNetwork, NetworkNamespace } from './executor.ts'
import { findProgram } from './find-program.ts'
import { isRoot } from './is-root.ts'
import { isolatedNetwork } from './isolated-network.ts'
import { missingForSandbox, withRemedy } from './sandbox-needs.ts'

/** Milliseconds that its making may take. */
const patience = 10_000

/**
 * Opens a network namespace that sandboxes of a build share: they find each other on its loopback, and nobody else is on
 * it; where it does not only lead inwards, the outside world is reached from it, but not this host's loopback. It lives as
 * long as this process holds it or a run is in it, and a process that waits inside, with the build's mark, ends with us.
 * @throws where it cannot be made, with the remedy
 */
export async function openNetworkNamespace(buildId: string, { inwards }: { inwards: boolean }): Promise<BuildNetwork> {
  const network = inwards ? 'none' : 'isolated'
  const missing = missingForSandbox({ network, namespace: { network: '' } })
  if (missing !== undefined) throw new Error(missing)
  const holder = startHolder(buildId)
  const gone = exitOf(holder).catch(() => undefined)
  const descriptors: number[] = []
  const end = async (): Promise<void> => {
    holder.stdin!.destroy()
    for (const descriptor of descriptors.splice(0)) closeSync(descriptor)
    await gone
  }
  try {
    const pid = await inside(holder)
    descriptors.push(...openNamespaces(pid))
    const [net, user] = descriptors.map((descriptor) => `/proc/${process.pid}/fd/${descriptor}`)
    const outside = inwards ? undefined : await isolatedNetwork()!.connect(pid, buildId)
    const remove = () => {
      outside?.end()
      return end()
    }
    return { reach: { network, namespace: { network: net!, ...(user !== undefined && { user }) } }, remove }
  } catch (error) {
    holder.kill('SIGKILL')
    await end()
    throw new Error(withRemedy(`making a network for the services of ${buildId}: ${(error as Error).message}`), { cause: error })
  }
}

/** Descriptors of the network namespace that a process is in and, where it has one, of its user namespace. */
function openNamespaces(pid: number): number[] {
  // Whatever went wrong: no sandbox is let into the host's own.
  if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')) throw new Error('bwrap made none')
  return (isRoot() ? ['net'] : ['net', 'user']).map((name) => openSync(`/proc/${pid}/ns/${name}`, 'r'))
}

/** Stands before the command that is to be in it. Joining by descriptors, no process that took the number of a dead one can be meant. */
export function entering({ user, network }: NetworkNamespace): string[] {
  return [findProgram('nsenter')!, ...(user === undefined ? [] : ['--preserve-credentials', `--user=${user}`]), `--net=${network}`, '--']
}

/** Bubblewrap, since it brings the loopback up. The shell in it tells its number, and waits until its input ends, as with this process it does. */
function startHolder(mark: string): ChildProcess {
  const options = [...(isRoot() ? [] : ['--unshare-user']), '--unshare-net', '--die-with-parent', '--cap-drop', 'ALL', '--dev-bind', '/', '/', '--']
  const holder = spawn(findProgram('bwrap')!, [...options, findProgram('sh') ?? '/bin/sh', '-c', 'echo $$; read -r line'], { cwd: '/', env: { QUERN_RUN: mark }, detached: true, stdio: 'pipe' })
  holder.stdin?.on('error', () => {})
  return holder
}

/** The number of the shell in it. @throws with what bubblewrap said instead */
function inside(holder: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    holder.once('error', reject)
    holder.stderr?.on('data', (text: Buffer) => (complaint = (complaint + text.toString()).slice(0, 300)))
    holder.stdout?.once('data', (line: Buffer) => resolve(Number(line)))
    holder.once('close', (code) => reject(new Error(complaint.trim() || `bwrap ended with exit code ${code}`)))
    setTimeout(() => reject(new Error(`bwrap had made none after ${patience} ms`)), patience).unref()
  })
}
