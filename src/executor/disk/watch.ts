import { setTimeout as pause } from 'node:timers/promises'
import type { Ending, Execution, Executor } from '../executor.ts'
import { endLargest, forgetEnded, isBeingCleared, type Build, type Ended, type Guarded } from './guarded.ts'
import { diskSpace } from './space.ts'
import { isDue, unbounded, walk, type WalkSettings } from './walk.ts'

/*
 * No file system bounds what a run writes into its workspace, unless somebody has set up quotas there: RLIMIT_FSIZE bounds
 * each file, not their number. So it is looked at. Once a second, while something runs, the file system is asked what is
 * left. The workspaces of a build are walked once that has fallen by a part of the limit; those of an untrusted build now and
 * then besides, since others may give back meanwhile what it takes.
 *
 * Over the limit, the run of the build with the largest workspace ends, as its project's fault. Where the disk runs low, the
 * untrusted run with the largest workspace does, as errored: a file without a name is in nobody's tree, so nobody can say
 * who took the space.
 */

export interface DiskWatch {
  /** The executor, whose runs end where they take too much of the disk. */
  guard(executor: Executor): Executor
  /**
   * Work of ours that fills a workspace for a run, like a checkout: a commit of some kilobytes can be terabytes of files.
   * @throws where it takes too much of the disk, with the sentence that says so
   */
  guardWork<T>(place: Pick<Execution, 'workspace' | 'untrusted'>, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/** What works in a workspace, and of which build that is. */
interface Worker extends Pick<Execution, 'workspace' | 'shared' | 'untrusted'> {
  name: string
}

export interface DiskWatchSettings extends Omit<WalkSettings, 'pace'> {
  /** On the file system of all workspaces. */
  directory: string
  pace?: WalkSettings['pace']
}

/** How many looks' time a look waits for the walks that it begins: they go on, but others are looked at meanwhile. */
const looksToWait = 5

/** A run that is over before the first look has cost it some entries of sets. */
export function openDiskWatch({ directory, limit, pace = { look: 1000, youth: 3000 } }: DiskWatchSettings): DiskWatch {
  const builds = new Map<string, Build>()
  let timer: NodeJS.Timeout | undefined
  let ended: Ended | undefined
  let problem: string | undefined

  function enter({ name, workspace, shared, untrusted = false }: Worker): Guarded {
    const build = builds.get(name) ?? { untrusted, running: new Set(), directories: new Set() }
    builds.set(name, build)
    for (const path of shared === undefined ? [workspace] : [workspace, shared]) build.directories.add(path)
    const run = { build, workspace, started: performance.now(), stop: new AbortController() }
    build.running.add(run)
    timer ??= lookLater()
    return run
  }

  function leave({ name }: Worker, run: Guarded): void {
    const { build, workspace } = run
    build.running.delete(run)
    if (build.untrusted) return
    build.directories.delete(workspace)
    if (build.running.size === 0) builds.delete(name)
  }

  function lookLater(): NodeJS.Timeout {
    return setTimeout(() => void look(), pace.look).unref()
  }

  async function look(): Promise<void> {
    forgetEnded(builds)
    try {
      await watch()
      problem = undefined
    } catch (error) {
      problem = unbounded(error)
    }
    timer = [...builds.values()].some(({ running }) => running.size > 0) ? lookLater() : undefined
  }

  async function watch(): Promise<void> {
    const space = await diskSpace(directory)
    for (const build of builds.values()) {
      build.walked ??= { at: -Infinity, took: 0, sizes: new Map(), left: space.left }
      if (build.walking === undefined && isDue(build, build.walked, space, { limit, pace })) build.walking = walk(build, space, { limit, pace })
    }
    // Of a tree that takes long to walk, or a disk that hangs, nobody else has the advantage.
    await Promise.race([Promise.all([...builds.values()].map(({ walking }) => walking)), pause(looksToWait * pace.look, undefined, { ref: false })])
    if (space.low === undefined || isBeingCleared(ended)) return
    const untrusted = [...builds.values()].filter((build) => build.untrusted).flatMap(({ running }) => [...running])
    ended = endLargest(untrusted, { verdict: 'errored', reason: space.low })
  }

  async function whileWatched<T>(worker: Worker, signal: AbortSignal, work: (run: Guarded) => Promise<T>): Promise<T> {
    const run = enter(worker)
    const cancel = () => run.stop.abort(signal.reason)
    if (signal.aborted) cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      return await work(run)
    } finally {
      signal.removeEventListener('abort', cancel)
      leave(worker, run)
    }
  }

  async function execute(executor: Executor, execution: Execution, run: Guarded): Promise<Ending> {
    const ending = await executor.execute(execution, run.stop.signal)
    const note = problem ?? run.build.problem
    const told = note === undefined ? ending : { ...ending, notes: [...(ending.notes ?? []), note] }
    return run.why !== undefined && ending.verdict === 'cancelled' ? { ...told, ...run.why } : told
  }

  return {
    guard: (executor) => ({
      ...executor,
      execute: (execution, signal) => whileWatched({ ...execution, name: nameOf(execution.id, execution.untrusted) }, signal, (run) => execute(executor, execution, run)),
    }),
    guardWork: (place, signal, work) =>
      whileWatched({ ...place, name: `work in ${place.workspace}` }, signal, async (run) => {
        const done = await work(run.stop.signal).catch((error: unknown) => Promise.reject(run.why === undefined ? error : new Error(run.why.reason, { cause: error })))
        if (run.why !== undefined) throw new Error(run.why.reason)
        return done
      }),
  }
}

/** By `<home id>/<pipeline>/<number>`. All evaluations of pipeline files have one number, whoever's they are. */
function nameOf(id: string, untrusted = false): string {
  return `${untrusted ? 'untrusted ' : ''}${id.split('/', 3).join('/')}`
}
