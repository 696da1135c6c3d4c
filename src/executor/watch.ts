import { type Limits } from './executor.ts'
import { descendants, send } from './processes.ts'

/** A tree of processes that runs. */
export interface Watched {
  /** The first process, which Node started; undefined where it could not be started. */
  first: number | undefined
  /**
   * Processes that hold the script in a PID namespace: the first one and process 1 inside, which takes no SIGTERM and
   * with which all others die. 0 where there is no namespace, only a process group.
   */
  holders: 0 | 2
  /** How it is stopped where the processes are not below the first one, like a container's: asked to end, and killed. */
  stop?: { ask(): void; kill(first: number): void } | undefined
}

export type Stopped = 'timed-out' | 'cancelled' | undefined

/** How often, in milliseconds, a tree that is just starting is looked at for somebody to send SIGTERM to. */
const startingPause = 20

/** Waits for the end of a tree, and brings it about on timeout or abort. Returns why it was stopped, if it was. */
export async function watchTree(watched: Watched, ended: Promise<unknown>, { limits, signal }: { limits: Limits; signal: AbortSignal }): Promise<Stopped> {
  const { first, holders, stop: other } = watched
  let stopped: Stopped
  let next: NodeJS.Timeout | undefined
  let last: NodeJS.Timeout | undefined
  const askToEnd = () => {
    const asked = scriptProcesses(first!, holders)
    for (const pid of asked) send('SIGTERM', pid)
    if (asked.length === 0) next = setTimeout(askToEnd, startingPause)
  }
  const stop = (why: Stopped) => {
    if (stopped !== undefined || first === undefined) return
    stopped = why
    last = setTimeout(() => (other ? other.kill(first) : killTree(first, holders)), limits.grace)
    if (other) other.ask()
    else askToEnd()
  }
  const cancel = () => stop('cancelled')
  const timeout = setTimeout(() => stop('timed-out'), limits.timeout)
  signal.addEventListener('abort', cancel)
  try {
    await ended
    return stopped
  } finally {
    for (const timer of [timeout, next, last]) clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
}

/** Without those that hold them. */
function scriptProcesses(first: number, holders: number): number[] {
  return holders === 0 ? [first, ...descendants(first)] : descendants(first).slice(1)
}

/** With process 1 of a namespace all of it dies, and the process that waits for it exits when that is done. */
export function killTree(first: number, holders: Watched['holders']): void {
  const below = descendants(first)
  if (holders > 0) return send('SIGKILL', below[0] ?? first)
  for (const pid of [-first, ...below]) send('SIGKILL', pid)
}
