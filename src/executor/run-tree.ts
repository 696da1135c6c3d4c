import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import type { Writable } from 'node:stream'
import { isCode } from '../disk/read.ts'
import type { Ending, Execution } from './executor.ts'
import { openOutputSlot, type OutputSlot } from './output-slot.ts'
import { descendants, killMarked, send } from './processes.ts'

/** A command whose processes are to be watched and ended together. */
export interface Tree {
  command: string[]
  directory: string
  env: Record<string, string>
  /**
   * Processes that hold the script in a PID namespace: the one spawned here and process 1 inside, which takes no
   * SIGTERM and with which all others die. 0 where there is no namespace, only a process group.
   */
  holders: 0 | 2
  notes: string[]
  /** Its output slot is not used again: a descriptor that an untrusted run passed on must not write into a later run's output. */
  untrusted?: boolean
  /** Descriptors that the command finds as `firstFile` and the numbers after it. */
  files?: number[]
  /** Called with the first process, which waits until descriptor 3 gives it a line; what it returns is called at the end. */
  prepare?: (pid: number) => Promise<{ end(): void }>
  /** How it is stopped where the processes are not below this one, like a container's: asked to end, and killed. */
  stop?: { ask(): void; kill(): void }
}

/** The number under which a command finds the first of its `files`. */
export const firstFile = 4

/** Slots that no run uses just now. There are never more than ran at once. */
const idle: OutputSlot[] = []

/** How often, in milliseconds, a tree that is just starting is looked at for somebody to send SIGTERM to. */
const startingPause = 20

/** Runs the tree to its end, as the contract of `Executor` says. This is the hot path of a builder with short runs. */
export async function runTree(tree: Tree, execution: Execution, signal: AbortSignal): Promise<Ending> {
  if (signal.aborted) return { verdict: 'cancelled' }
  let slot: OutputSlot | undefined
  try {
    slot = idle.pop() ?? openOutputSlot()
    slot.listen(execution.output)
    const child = start(tree, slot)
    const watched = watch(child, tree, execution, signal)
    const prepared = tree.prepare && (await prepare(child, tree.prepare))
    const { stopped, code, signalled } = await watched
    prepared?.end()
    const certain = tree.holders > 0 && signalled === null
    if (!certain) await endRest(child.pid!, execution.id)
    slot.drain()
    const complaint = code === 0 ? '' : (prepared?.failure ?? slot.takeComplaints())
    if (certain && !tree.untrusted) idle.push(slot)
    else slot.close()
    return { ...endingOf(stopped, exitCode(code, signalled), complaint), ...(tree.notes.length > 0 && { notes: tree.notes }) }
  } catch (error) {
    slot?.close()
    return { verdict: 'errored', reason: whyNotStarted(tree, error as Error) }
  }
}

/** A session of its own keeps the run away from the terminal that a person may have started the builder on. */
function start({ command, directory, env, holders, files = [], prepare }: Tree, slot: OutputSlot): ChildProcess {
  const stderr = holders === 0 ? slot.descriptor : slot.complaints
  const more = files.length > 0 || prepare !== undefined ? [prepare === undefined ? ('ignore' as const) : ('pipe' as const), ...files] : []
  return spawn(command[0]!, command.slice(1), { cwd: directory, env, detached: true, stdio: ['ignore', slot.descriptor, stderr, ...more] })
}

/** Lets the first process go on once it is prepared, or ends it with the reason why it could not be. */
async function prepare(child: ChildProcess, work: (pid: number) => Promise<{ end(): void }>): Promise<{ end(): void; failure?: string }> {
  const gate = child.stdio[3] as Writable
  gate.on('error', () => {})
  try {
    if (child.pid === undefined) return { end: () => {} }
    const prepared = await work(child.pid)
    gate.end('go\n')
    return prepared
  } catch (error) {
    gate.destroy()
    return { end: () => {}, failure: (error as Error).message }
  }
}

/** A missing directory and a missing program are the same ENOENT to spawn. */
function whyNotStarted({ command, directory, env }: Tree, error: Error): string {
  if (!existsSync(directory)) return `the script could not be started: its directory ${directory} does not exist`
  if (isCode(error, 'E2BIG')) return `the script could not be started: its environment of ${Object.keys(env).length} variables is larger than this system allows`
  return `the script could not be started by ${command[0]} in ${directory}: ${error.message}`
}

type Stopped = 'timed-out' | 'cancelled' | undefined

interface Watched {
  stopped: Stopped
  code: number | null
  signalled: NodeJS.Signals | null
}

/** Waits for the end of the first process, and brings it about on timeout or abort. */
function watch(child: ChildProcess, { holders, stop: other }: Tree, { limits }: Execution, signal: AbortSignal): Promise<Watched> {
  return new Promise((resolve, reject) => {
    let stopped: Stopped
    let next: NodeJS.Timeout | undefined
    let last: NodeJS.Timeout | undefined
    const askToEnd = () => {
      const asked = children(child.pid!, holders)
      for (const pid of asked) send('SIGTERM', pid)
      if (asked.length === 0) next = setTimeout(askToEnd, startingPause)
    }
    const stop = (why: Stopped) => {
      if (stopped !== undefined || child.pid === undefined) return
      stopped = why
      last = setTimeout(() => (other ? other.kill() : killTree(child.pid!, holders)), limits.grace)
      if (other) other.ask()
      else askToEnd()
    }
    const cancel = () => stop('cancelled')
    const timeout = setTimeout(() => stop('timed-out'), limits.timeout)
    const over = () => {
      for (const timer of [timeout, next, last]) clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
    }
    signal.addEventListener('abort', cancel)
    child.once('error', (error) => {
      over()
      reject(error)
    })
    child.once('exit', (code, signalled) => {
      over()
      resolve({ stopped, code, signalled })
    })
  })
}

/** The script's processes, without those that hold it. */
function children(first: number, holders: number): number[] {
  return holders === 0 ? [first, ...descendants(first)] : descendants(first).slice(1)
}

/** With process 1 of a namespace all of it dies, and the process that waits for it exits when that is done. */
function killTree(first: number, holders: number): void {
  const below = descendants(first)
  if (holders > 0) return send('SIGKILL', below[0] ?? first)
  for (const pid of [-first, ...below]) send('SIGKILL', pid)
}

/** Ends what a group or a broken namespace may have left. */
async function endRest(first: number, id: string): Promise<void> {
  send('SIGKILL', -first)
  await killMarked(id)
}

/** An exit code as a shell tells it. */
function exitCode(code: number | null, signalled: NodeJS.Signals | null): number {
  return code ?? 128 + constants.signals[signalled!]
}

function endingOf(stopped: Stopped, code: number, complaint: string): Ending {
  if (stopped !== undefined) return { verdict: stopped, ...howItEnded(code) }
  if (complaint !== '') return { verdict: 'errored', reason: `the script could not be started: ${complaint}` }
  return { verdict: code === 0 ? 'passed' : 'failed', ...howItEnded(code) }
}

/** The code, and the signal that it stands for. */
export function howItEnded(code: number): Pick<Ending, 'code' | 'signal'> {
  const signal = signalNames.get(code - 128)
  return { code, ...(signal && { signal }) }
}

const signalNames = new Map(Object.entries(constants.signals).reverse().map(([name, number]) => [number, name as NodeJS.Signals]))
