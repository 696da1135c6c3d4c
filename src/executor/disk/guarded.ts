import { existsSync } from 'node:fs'
import type { Ending } from '../executor.ts'

/** Milliseconds that the workspace of a run that was ended has to go before the next one ends. */
const clearance = 60_000

/** A build of which runs are watched. */
export interface Build {
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

/** A run that was ended for what it took. */
export interface Ended {
  workspace: string
  at: number
}

/** A run that is watched. */
export interface Guarded {
  build: Build
  workspace: string
  started: number
  stop: AbortController
  /** Why it was ended here. */
  why?: Required<Pick<Ending, 'verdict' | 'reason'>>
}

/** One at a time: what it took is given back only after it has ended. */
export function endLargest(runs: Guarded[], why: Guarded['why'] & {}): Ended | undefined {
  if (runs.length === 0 || runs.some((run) => run.why !== undefined)) return undefined
  const sizeOf = ({ build, workspace }: Guarded) => build.walked?.sizes.get(workspace) ?? 0
  const largest = runs.reduce((one, other) => (sizeOf(other) > sizeOf(one) ? other : one))
  largest.why = why
  largest.stop.abort()
  return { workspace: largest.workspace, at: performance.now() }
}

export function isBeingCleared(ended: Ended | undefined): boolean {
  return ended !== undefined && existsSync(ended.workspace) && performance.now() - ended.at < clearance
}

/** Builds that run no more and have left nothing. */
export function forgetEnded(builds: Map<string, Build>): void {
  for (const [name, build] of builds) {
    if (build.running.size === 0 && dropGone(build) === 0) builds.delete(name)
  }
}

/** Forgets directories that are not there any more. @returns how many are left */
export function dropGone({ directories }: Build): number {
  for (const path of directories) if (!existsSync(path)) directories.delete(path)
  return directories.size
}
