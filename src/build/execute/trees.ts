import { mkdirSync, rmdirSync } from 'node:fs'
import type { PlannedRun } from '../../model/plan.ts'
import type { Attempt } from '../attempt.ts'
import { removeTree } from './work-directory.ts'
import type { Workspace } from './workspaces.ts'
import type { Mount, Settled } from '../workshop.ts'

/** The directories in which the runs of a build work. */
export interface Trees {
  /** Makes what a run works in: its tree, as its plan says, and what else `Place` names. */
  prepare(run: PlannedRun): Promise<Place>
  /** Removes what no later run wants. A builder that is told to stop leaves that to the next one: it may take longer than it has. */
  leave(run: PlannedRun): Promise<void>
  /** A run that repeats another one, in a directory of its own. */
  add(run: PlannedRun, original: string): void
  /** From now on, who takes over the tree of the one run takes that of the other. */
  standIn(name: string, other: string): void
  removeAll(): Promise<void>
}

/** A workspace as one run finds it. */
export interface Place extends Workspace {
  /** What a job must see besides its workspace. */
  mounts: Mount[]
}

export function openTrees({ workshop, stop }: Attempt, { plan, checkOut }: Settled): Trees {
  const runs = [...plan.runs]
  const standIns = new Map<string, string>()
  const inherited = new Set(plan.runs.flatMap(({ workspace }) => (typeof workspace === 'object' ? [workspace.from] : [])))
  const places = new Map<string, Place>()
  const makePlace = async (run: PlannedRun): Promise<Place> => {
    const workspace = workshop.workspaces.take()
    if (run.workspace === 'none') return { ...workspace, mounts: [] }
    if (checkOut === undefined) throw new Error('the plan wants a checkout, but its request has no repository')
    rmdirSync(workspace.tree)
    try {
      return { ...workspace, mounts: await checkOut(workspace.tree, run.patch?.commit) }
    } catch (error) {
      // No run has it: what was written so far would lie there until the queue is empty. A builder that is told to stop leaves it to the next one.
      // Where it cannot be removed, that is told when the queue is empty; why it could not be checked out is told now.
      if (!stop.released()) await workshop.workspaces.give(workspace).catch(() => undefined)
      throw error
    }
  }
  return {
    async prepare(run) {
      if (typeof run.workspace !== 'object') {
        const place = await makePlace(run)
        places.set(run.name, place)
        return place
      }
      // The first run of a chain of workspaces owns the tree.
      const place = places.get(ownerOf(run.name, runs, standIns))
      if (place === undefined) throw new Error(`the tree of ${run.workspace.from}, which this run takes over, was never made`)
      await renew([place.temporary, place.archive])
      return place
    },
    async leave({ name, executor }) {
      const place = places.get(name)
      if (place === undefined || inherited.has(name)) return
      places.delete(name)
      if (stop.released()) return
      await workshop.workspaces.give(place, { again: executor === 'shell' })
    },
    add(run, original) {
      runs.push(run)
      if (inherited.has(original)) inherited.add(run.name)
    },
    standIn: (name, other) => void standIns.set(name, other),
    removeAll: async () => {
      if (!stop.released()) for (const place of places.values()) await workshop.workspaces.give(place)
      places.clear()
    },
  }
}

/** A run that takes over a tree has temporary files and an archive of its own. */
async function renew(directories: string[]): Promise<void> {
  for (const directory of directories) {
    await removeTree(directory)
    mkdirSync(directory)
  }
}

/** The run whose tree a run works in: itself, or the one at the start of its chain of workspaces. */
export function ownerOf(name: string, runs: PlannedRun[], standIns: ReadonlyMap<string, string> = new Map()): string {
  const run = runs.find((other) => other.name === name)
  if (run === undefined || typeof run.workspace !== 'object') return name
  return ownerOf(standIns.get(run.workspace.from) ?? run.workspace.from, runs, standIns)
}
