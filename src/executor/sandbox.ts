import { closeSync, fstatSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { bounded } from './bounded.ts'
import type { Ending, Execution, Executor, Limits } from './executor.ts'
import { findProgram } from './find-program.ts'
import { asStranger } from './hand-over.ts'
import { isRoot } from './is-root.ts'
import { type IsolatedNetwork, isolatedNetwork } from './isolated-network.ts'
import { type LimitGroup, makeLimitGroup, type Resource } from './limit-group.ts'
import { entering } from './network-namespace.ts'
import { runTree, type Tree } from './run-tree.ts'
import { bubblewrapHelp, missingForSandbox, withRemedy } from './sandbox-needs.ts'
import { environmentPath, openSandboxFiles, type SandboxFile, scriptPath } from './sandbox-files.ts'
import { viewArguments } from './sandbox-view.ts'
import { showShared } from './show-shared.ts'

export interface SandboxSettings {
  /** Host directories that no run may see: Quern's home and checkout. */
  hidden: string[]
}

/**
 * Bubblewrap: the host's programs read-only, a workspace and a private /tmp and HOME to write, and nothing else.
 * As root, a run has a user id of its own that owns nothing on the host, and the workspace is handed to it and taken
 * back; as an ordinary user it has that user's id, in a user namespace, and sees none of the user's files.
 * It is never weakened: where a part of it is missing here, the run is errored.
 */
export function openSandbox({ hidden }: SandboxSettings): Executor {
  closeInherited()
  const places = hidden.map((path) => realpathSync(path))
  return {
    execute: async (given, signal) => {
      const execution = showShared(bounded(given), '/quern/shared')
      const missing = missingForSandbox(execution)
      if (missing !== undefined) return { verdict: 'errored', reason: missing }
      if (signal.aborted) return { verdict: 'cancelled' }
      try {
        const run = (uid: number) => inside({ execution, asked: given.limits, signal, hidden: places, uid })
        return isRoot() ? await asStranger(execution.workspace, run) : await run(process.getuid!())
      } catch (error) {
        return { verdict: 'errored', reason: (error as Error).message }
      }
    },
  }
}

interface Inside {
  execution: Execution
  /** The limits as they were given, of which a run is told when one is not held. */
  asked: Limits
  signal: AbortSignal
  hidden: string[]
  uid: number
}

async function inside({ execution, asked, signal, hidden, uid }: Inside): Promise<Ending> {
  const files = openSandboxFiles(execution, { uid, gid: isRoot() ? uid : process.getgid!() })
  const group = makeLimitGroup(execution.id, execution.limits)
  try {
    const network = execution.network === 'isolated' && execution.namespace === undefined ? isolatedNetwork() : undefined
    const view = viewArguments({ execution, files, hidden })
    const ending = await runTree(sandboxTree({ execution, asked, view, files, group, network, uid }), execution, signal)
    return withReason(ending, group, execution.limits)
  } finally {
    for (const { descriptor } of files) closeSync(descriptor)
    group?.remove()
  }
}

interface Parts {
  execution: Execution
  asked: Limits
  view: string[]
  files: SandboxFile[]
  group: LimitGroup | undefined
  network: IsolatedNetwork | undefined
  uid: number
}

/**
 * From outside in: join the control groups, wait for the network or join a shared one, make the sandbox, drop to the run's user, take its environment, limit, run.
 * Of an ordinary user process 1 is this shell, not bwrap, whose descriptors the run could open: what stands in its
 * complaints counts as ours, like that it cannot fork. The shell has let go of them when the script starts.
 */
function sandboxTree({ execution, asked, view, files, group, network, uid }: Parts): Tree {
  const { id, limits, namespace } = execution
  const shell = findProgram('sh') ?? '/bin/sh'
  const join = group === undefined ? [] : [shell, '-c', 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"', 'sh', ...group.entrances, '--']
  const bubblewrap = [findProgram('bwrap')!, ...namespaceArguments(execution), ...view, '--']
  const start = [shell, '-c', `. ${environmentPath}; ${isRoot() ? 'exec "$@" 2>&1' : '(:) || exit; exec 2>/dev/null; ("$@" 2>&1); exit $?'}`, 'sh', ...limiter(asked.memory, limits, group), findProgram('bash')!, scriptPath]
  return {
    command: [...join, ...(namespace === undefined ? (network?.prefix ?? []) : entering(namespace)), ...bubblewrap, ...dropping(uid), ...start],
    directory: '/',
    env: { PATH: '/usr/bin:/bin', QUERN_RUN: id },
    holders: 2,
    notes: notHeld(asked, group),
    untrusted: true,
    files: files.map(({ descriptor }) => descriptor),
    ...(network && { prepare: (pid: number) => network.connect(pid, id) }),
  }
}

/**
 * As root there is no user namespace: in one, root inside would be root outside. The three capabilities are those that
 * setpriv needs to give up all others, and these. An ordinary user's run cannot make namespaces of its own.
 */
function namespaceArguments({ network, namespace }: Execution): string[] {
  const spaces = ['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try', ...(network === 'none' && namespace === undefined ? ['--unshare-net'] : [])]
  const rights = isRoot() ? ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((name) => ['--cap-add', name]) : []
  const user = isRoot() ? [] : ['--as-pid-1', '--unshare-user', ...(bubblewrapHelp().includes('--disable-userns') ? ['--disable-userns'] : [])]
  return [...spaces, ...user, '--hostname', 'quern', '--die-with-parent', '--new-session', '--cap-drop', 'ALL', ...rights]
}

function dropping(uid: number): string[] {
  if (!isRoot()) return []
  return [findProgram('setpriv')!, '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all']
}

/** The memory of each process is limited only where that was asked for: an address sanitizer, for one, reserves terabytes. */
function limiter(memory: number | undefined, { processes, fileSize }: Limits, group: LimitGroup | undefined): string[] {
  const options = [
    ...(memory !== undefined && !group?.holds.has('memory') ? [`--data=${memory}`] : []),
    // Counted for the run's own user id, or in its own user namespace.
    ...(processes === undefined ? [] : [`--nproc=${processes}`]),
    ...(fileSize === undefined ? [] : [`--fsize=${fileSize}`]),
  ]
  return options.length === 0 ? [] : [findProgram('prlimit')!, ...options]
}

function notHeld(limits: Limits, group: LimitGroup | undefined): string[] {
  const open = (resource: Resource) => limits[resource] !== undefined && !group?.holds.has(resource)
  return [
    ...(open('memory') ? ['memory is limited for each process by itself, not for the run as a whole: no control group may be made here'] : []),
    ...(open('cpus') ? ['CPUs are not limited: no control group may be made here'] : []),
  ]
}

function withReason(ending: Ending, group: LimitGroup | undefined, { memory }: Limits): Ending {
  if (ending.verdict === 'errored' && ending.reason !== undefined) return { ...ending, reason: withRemedy(ending.reason) }
  if (ending.verdict !== 'failed' || !group?.ranOutOfMemory()) return ending
  return { ...ending, reason: `it needed more than its ${Math.round(memory! / 1024 / 1024)} MiB of memory and was killed` }
}

/**
 * Closes descriptors that this process was started with and did not ask for: Node marks the first ones close-on-exec,
 * but stops at a gap, and what is left would be open inside every sandbox. Node's own all carry the mark (octal 2000000).
 */
function closeInherited(): void {
  if (process.platform !== 'linux') return
  for (const name of readdirSync('/proc/self/fd').filter((number) => Number(number) > 2)) {
    try {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8'))?.[1]
      fstatSync(Number(name))
      if (flags !== undefined && (Number.parseInt(flags, 8) & 0o2000000) === 0) closeSync(Number(name))
    } catch (error) {
      if (!['ENOENT', 'EBADF'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}
