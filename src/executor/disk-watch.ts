import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { diskSpace, mebibytes, type DiskSpace } from './disk-space.ts'
import { diskUsage } from './disk-usage.ts'
import type { Ending, Execution, Executor } from './executor.ts'

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
}

export interface DiskWatchSettings {
  /** On the file system of all workspaces. */
  directory: string
  /** Bytes that the workspaces of a build may take together. */
  limit: number
  /** Milliseconds between two looks, and until a run is old enough for a walk. */
  pace?: { look: number; youth: number }
}

/** Milliseconds between two walks of an untrusted build, or so many times what a walk takes. */
const between = 10_000
const rest = 30

/** A walk is worth its while once this part of the limit has gone from the disk. */
const part = 1 / 16

/** How many looks' time a look waits for the walks that it begins: they go on, but others are looked at meanwhile. */
const looksToWait = 5

/** How often a walk is begun again that lost its way, because directories were moved while it was in them. */
const tries = 5

/** Milliseconds that the workspace of a run that was ended has to go before the next one ends. */
const clearance = 60_000

interface Build {
  untrusted: boolean
  running: Set<Guarded>
  /** Its workspaces and what its runs share; of an untrusted build also what earlier runs left, as long as it is there. */
  directories: Set<string>
  /** When they were walked: how long that took, what it found, and the bytes that were left on the disk. At first, when the build was first looked at. */
  walked?: { at: number; took: number; sizes: Map<string, number>; left: number }
  /** While a walk is under way. */
  walking?: Promise<void> | undefined
  /** Why its last walk failed. */
  problem?: string | undefined
  /** Its run that was ended last for what it took. */
  ended?: Ended | undefined
}

interface Ended {
  workspace: string
  at: number
}

interface Guarded {
  build: Build
  workspace: string
  started: number
  stop: AbortController
  /** Why it was ended here. */
  why?: Required<Pick<Ending, 'verdict' | 'reason'>>
}

/** A run that is over before the first look has cost it some entries of sets. */
export function openDiskWatch({ directory, limit, pace = { look: 1000, youth: 3000 } }: DiskWatchSettings): DiskWatch {
  const builds = new Map<string, Build>()
  let timer: NodeJS.Timeout | undefined
  let ended: Ended | undefined
  let problem: string | undefined

  function enter({ id, workspace, shared, untrusted = false }: Execution): Guarded {
    const name = nameOf(id, untrusted)
    const build = builds.get(name) ?? { untrusted, running: new Set(), directories: new Set() }
    builds.set(name, build)
    for (const path of shared === undefined ? [workspace] : [workspace, shared]) build.directories.add(path)
    const run = { build, workspace, started: performance.now(), stop: new AbortController() }
    build.running.add(run)
    timer ??= lookLater()
    return run
  }

  function leave({ id }: Execution, run: Guarded): void {
    const { build, workspace } = run
    build.running.delete(run)
    if (build.untrusted) return
    build.directories.delete(workspace)
    if (build.running.size === 0) builds.delete(nameOf(id, false))
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
      if (build.walking === undefined && isDue(build, build.walked, space)) build.walking = walk(build, space)
    }
    // Of a tree that takes long to walk, or a disk that hangs, nobody else has the advantage.
    await Promise.race([Promise.all([...builds.values()].map(({ walking }) => walking)), pause(looksToWait * pace.look, undefined, { ref: false })])
    if (space.low === undefined || isBeingCleared(ended)) return
    const untrusted = [...builds.values()].filter((build) => build.untrusted).flatMap(({ running }) => [...running])
    ended = endLargest(untrusted, { verdict: 'errored', reason: space.low })
  }

  function isDue({ untrusted, running }: Build, walked: Build['walked'] & {}, { left, low }: DiskSpace): boolean {
    const now = performance.now()
    if (running.size === 0 || now - walked.at < 2 * walked.took) return false
    if (walked.left - left >= limit * part || (untrusted && low !== undefined)) return true
    return untrusted && now - walked.at >= Math.max(between, rest * walked.took) && [...running].some(({ started }) => now - started >= pace.youth)
  }

  async function walk(build: Build, space: DiskSpace): Promise<void> {
    try {
      await measure(build, space)
      build.problem = undefined
    } catch (error) {
      build.problem = unbounded(error)
    } finally {
      build.walking = undefined
    }
  }

  async function measure(build: Build, { left }: DiskSpace): Promise<void> {
    const start = performance.now()
    let { sizes, lost } = await sizesOf(build)
    for (let again = 1; lost.length > 0 && again < tries; again++) {
      await pause(pace.look, undefined, { ref: false })
      ;({ sizes, lost } = await sizesOf(build))
    }
    build.walked = { at: performance.now(), took: performance.now() - start, sizes, left }
    const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
    const end = (runs: Iterable<Guarded>, reason: string) => {
      if (!isBeingCleared(build.ended)) build.ended = endLargest([...runs], { verdict: 'failed', reason })
    }
    if (total > limit) end(build.running, `its workspace grew too large: those of its build take ${mebibytes(total)} MiB of the disk together, and may take ${mebibytes(limit)} MiB (WORKSPACE_LIMIT in environment.sh)`)
    if (lost.length === 0) return
    const moving = [...build.running].filter(({ workspace }) => lost.includes(workspace))
    if (build.untrusted) end(moving.length > 0 ? moving : build.running, `what it takes of the disk could not be counted: ${tries} walks in a row lost their way, as they do where directories are moved all the time`)
    throw new Error(`${tries} walks in a row lost their way`)
  }

  return {
    guard: (executor) => ({
      ...executor,
      async execute(execution, signal) {
        const run = enter(execution)
        const cancel = () => run.stop.abort()
        if (signal.aborted) cancel()
        signal.addEventListener('abort', cancel, { once: true })
        try {
          const ending = await executor.execute(execution, run.stop.signal)
          const note = problem ?? run.build.problem
          const told = note === undefined ? ending : { ...ending, notes: [...(ending.notes ?? []), note] }
          return run.why !== undefined && ending.verdict === 'cancelled' ? { ...told, ...run.why } : told
        } finally {
          signal.removeEventListener('abort', cancel)
          leave(execution, run)
        }
      },
    }),
  }
}

/** A walk that loses its way says nothing of a directory that is there. */
async function sizesOf(build: Build): Promise<{ sizes: Map<string, number>; lost: string[] }> {
  dropGone(build)
  const paths = [...build.directories]
  const sizes = await diskUsage(paths)
  return { sizes, lost: paths.filter((path) => !sizes.has(path) && existsSync(path)) }
}

function unbounded(error: unknown): string {
  return `what it takes of the disk was not bounded, since that could not be found out: ${(error as Error).message}`
}

/** One at a time: what it took is given back only after it has ended. */
function endLargest(runs: Guarded[], why: Guarded['why'] & {}): Ended | undefined {
  if (runs.length === 0 || runs.some((run) => run.why !== undefined)) return undefined
  const sizeOf = ({ build, workspace }: Guarded) => build.walked?.sizes.get(workspace) ?? 0
  const largest = runs.reduce((one, other) => (sizeOf(other) > sizeOf(one) ? other : one))
  largest.why = why
  largest.stop.abort()
  return { workspace: largest.workspace, at: performance.now() }
}

function isBeingCleared(ended: Ended | undefined): boolean {
  return ended !== undefined && existsSync(ended.workspace) && performance.now() - ended.at < clearance
}

function forgetEnded(builds: Map<string, Build>): void {
  for (const [name, build] of builds) {
    if (build.running.size === 0 && dropGone(build) === 0) builds.delete(name)
  }
}

/** @returns how many are left */
function dropGone({ directories }: Build): number {
  for (const path of directories) if (!existsSync(path)) directories.delete(path)
  return directories.size
}

/** By `<home id>/<pipeline>/<number>`. All evaluations of pipeline files have one number, whoever's they are. */
function nameOf(id: string, untrusted: boolean): string {
  return `${untrusted ? 'untrusted ' : ''}${id.split('/', 3).join('/')}`
}
