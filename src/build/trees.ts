import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { PlannedRun } from '../model/plan.ts'
import type { Attempt } from './attempt.ts'
import { removeTree, runDirectory } from './work-directory.ts'
import type { Mount, Settled } from './workshop.ts'

/** The directories in which the runs of a build work. */
export interface Trees {
  /** Makes what a run works in: its tree, as its plan says, and what else `Place` names. */
  prepare(run: PlannedRun): Promise<Place>
  /** Removes what no later run wants. */
  leave(run: PlannedRun): Promise<void>
  removeAll(): Promise<void>
}

export interface Place {
  /** What the job may write: all of the following. */
  workspace: string
  tree: string
  temporary: string
  /** $ARCHIVE_ROOT; undefined where the job keeps none. */
  archive: string | undefined
  /** What a job must see besides its workspace. */
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
    async prepare({ name, workspace: wanted, archive: keeps }) {
      // The first run of a chain of workspaces owns the tree.
      const owner = ownerOf(name, plan.runs)
      const workspace = directoryOf(owner)
      const [tree, temporary, archive] = ['tree', 'tmp', 'archive'].map((one) => join(workspace, one)) as [string, string, string]
      if (typeof wanted === 'object') for (const path of [temporary, archive]) await removeTree(path)
      mkdirSync(temporary, { recursive: true })
      if (keeps !== false) mkdirSync(archive)
      if (wanted === 'none') mkdirSync(tree)
      else if (wanted === 'commit') mountsOf.set(name, await makeTree(tree))
      return { workspace, tree, temporary, archive: keeps === false ? undefined : archive, mounts: mountsOf.get(owner) ?? [] }
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
