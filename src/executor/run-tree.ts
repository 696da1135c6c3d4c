import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { isCode } from '../disk/read.ts'
import { endingOf, exitCode, exitOf } from './ending.ts'
import type { Ending, Execution } from './executor.ts'
import { giveOutputSlot, type OutputSlot, takeOutputSlot } from './output-slot.ts'
import { killMarked, send } from './processes.ts'
import { type Watched, watchTree } from './watch.ts'

/** A command whose processes are to be watched and ended together. */
export interface Tree {
  command: string[]
  directory: string
  env: Record<string, string>
  holders: Watched['holders']
  notes: string[]
  /** Its output slot is not used again: a descriptor that an untrusted run passed on must not write into a later run's output. */
  untrusted?: boolean
  /** Descriptors that the command finds as `firstFile` and the numbers after it. */
  files?: number[]
  /** Called with the first process, which waits until descriptor 3 gives it a line; what it returns is called at the end. */
  prepare?: (pid: number) => Promise<{ end(): void }>
  stop?: Watched['stop']
  /** Called where a signal ended the first process. */
  lost?: (signal: NodeJS.Signals) => void
}

/** The number under which a command finds the first of its `files`. */
export const firstFile = 4

/** Runs the tree to its end, as the contract of `Executor` says. */
export async function runTree(tree: Tree, execution: Execution, signal: AbortSignal): Promise<Ending> {
  if (signal.aborted) return { verdict: 'cancelled' }
  let slot: OutputSlot | undefined
  try {
    slot = await takeOutputSlot()
    if (signal.aborted) {
      giveOutputSlot(slot)
      return { verdict: 'cancelled' }
    }
    slot.listen(execution.output)
    const child = start(tree, slot)
    const exit = exitOf(child)
    // Without a number it has no pipes either, if descriptors are what is missing.
    if (child.pid === undefined) await exit
    const watched = watchTree({ first: child.pid, holders: tree.holders, stop: tree.stop }, exit, { limits: execution.limits, signal })
    const prepared = tree.prepare && (await prepare(child, tree.prepare))
    const stopped = await watched
    const ended = await exit
    prepared?.end()
    if (ended.signalled !== null) tree.lost?.(ended.signalled)
    const certain = tree.holders > 0 && ended.signalled === null
    if (!certain) await endRest(child.pid!, execution.id)
    slot.drain()
    const complaint = ended.code === 0 ? '' : (prepared?.failure ?? slot.takeComplaints())
    if (certain && !tree.untrusted) giveOutputSlot(slot)
    else slot.close()
    return { ...endingOf(stopped, exitCode(ended), complaint), ...(tree.notes.length > 0 && { notes: tree.notes }) }
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
    const prepared = await work(child.pid!)
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

/** Ends what a group or a broken namespace may have left. */
export async function endRest(first: number, id: string): Promise<void> {
  send('SIGKILL', -first)
  await killMarked(id)
}
