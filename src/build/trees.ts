import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { PlannedRun } from '../model/plan.ts'
import type { Attempt } from './attempt.ts'
import { removeTree, runDirectory } from './work-directory.ts'
import type { Mount, Settled } from './workshop.ts'

/** The directories in which the runs of a build work. */
export interface Trees {
  /** Makes a run's directory: its tree, as its plan says, and its temporary directory. */
  prepare(run: PlannedRun): Promise<Place>
  /** Removes what no later run wants. */
  leave(run: PlannedRun): Promise<void>
  removeAll(): Promise<void>
}

export interface Place {
  /** Holds the script and what else the run needs beside its tree; the job cannot see it as such. */
  directory: string
  tree: string
  temporary: string
  /** What a job must see besides its tree. */
  mounts: Mount[]
}

export function openTrees({ workshop, claim }: Attempt, { plan, checkOut }: Settled): Trees {
  const directoryOf = (run: string) => runDirectory(workshop.home, claim.build, run)
  const inherited = new Set(plan.runs.flatMap(({ workspace }) => (typeof workspace === 'object' ? [workspace.from] : [])))
  const kept = new Set<string>()
  const mountsOf = new Map<string, Mount[]>()
  const makeTree = async (tree: string): Promise<Mount[]> => {
    if (checkOut === undefined) throw new Error('the plan wants a checkout, but its request has no repository')
    return checkOut(tree)
  }
  return {
    async prepare({ name, workspace }) {
      const directory = directoryOf(name)
      const temporary = join(directory, 'tmp')
      mkdirSync(temporary, { recursive: true })
      // The first run of a chain of workspaces owns the tree.
      const owner = ownerOf(name, plan.runs)
      const tree = join(directoryOf(owner), 'tree')
      if (workspace === 'none') mkdirSync(tree)
      else if (workspace === 'commit') mountsOf.set(name, await makeTree(tree))
      return { directory, tree, temporary, mounts: mountsOf.get(owner) ?? [] }
    },
    async leave({ name }) {
      if (inherited.has(name)) kept.add(name)
      else await removeTree(directoryOf(name))
    },
    removeAll: async () => {
      for (const name of kept) await removeTree(directoryOf(name))
    },
  }
}

/** The run whose tree a run works in: itself, or the one at the start of its chain of workspaces. */
export function ownerOf(name: string, runs: PlannedRun[]): string {
  const run = runs.find((other) => other.name === name)
  return run !== undefined && typeof run.workspace === 'object' ? ownerOf(run.workspace.from, runs) : name
}
