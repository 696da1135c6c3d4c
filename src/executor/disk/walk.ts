import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { dropGone, endLargest, isBeingCleared, type Build, type Guarded } from './guarded.ts'
import { mebibytes, type DiskSpace } from './space.ts'
import { diskUsage } from './usage.ts'

export interface WalkSettings {
  /** Bytes that the workspaces of a build may take together. */
  limit: number
  /** Milliseconds between two looks, and until a run is old enough for a walk. */
  pace: { look: number; youth: number }
}

/** Milliseconds between two walks of an untrusted build, or so many times what a walk takes. */
const between = 10_000
const rest = 30

/** A walk is worth its while once this part of the limit has gone from the disk. */
const part = 1 / 16

/** How often a walk is begun again that lost its way, because directories were moved while it was in them. */
const tries = 5

/** Whether the workspaces of a build are to be walked (again). */
export function isDue({ untrusted, running }: Build, walked: Build['walked'] & {}, { left, low }: DiskSpace, { limit, pace }: WalkSettings): boolean {
  const now = performance.now()
  if (running.size === 0 || now - walked.at < 2 * walked.took) return false
  if (walked.left - left >= limit * part || (untrusted && low !== undefined)) return true
  return untrusted && now - walked.at >= Math.max(between, rest * walked.took) && [...running].some(({ started }) => now - started >= pace.youth)
}

/** Never rejects: what went wrong is the problem of the build. */
export async function walk(build: Build, space: DiskSpace, settings: WalkSettings): Promise<void> {
  try {
    await measure(build, space, settings)
    build.problem = undefined
  } catch (error) {
    build.problem = unbounded(error)
  } finally {
    build.walking = undefined
  }
}

async function measure(build: Build, { left }: DiskSpace, { limit, pace }: WalkSettings): Promise<void> {
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

/** A walk that loses its way says nothing of a directory that is there. */
async function sizesOf(build: Build): Promise<{ sizes: Map<string, number>; lost: string[] }> {
  dropGone(build)
  const paths = [...build.directories]
  const sizes = await diskUsage(paths)
  return { sizes, lost: paths.filter((path) => !sizes.has(path) && existsSync(path)) }
}

/** The sentence that notes tell. */
export function unbounded(error: unknown): string {
  return `what it takes of the disk was not bounded, since that could not be found out: ${(error as Error).message}`
}
