import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { PlannedRun } from '../model/plan.ts'
import type { Attempt } from './attempt.ts'
import { removeTree, runDirectory } from './work-directory.ts'
import type { Mount, Settled } from './workshop.ts'

/** The directories in which the runs of a build work. */
export interface Trees {
  /** Makes what a run works in: its tree, as its plan says, `tmp` and `archive`. */
  prepare(run: PlannedRun): Promise<Place>
  /** Removes what no later run wants. */
  leave(run: PlannedRun): Promise<void>
  removeAll(): Promise<void>
}

export interface Place {
  /** Holds the script, which the job may not change. */
  directory: string
  /** What the job may write: its tree, `tmp` and `archive`. */
  workspace: string
  tree: string
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
    async prepare({ name, workspace: wanted }) {
      const directory = directoryOf(name)
      // The first run of a chain of workspaces owns the tree.
      const owner = ownerOf(name, plan.runs)
      const workspace = join(directoryOf(owner), 'work')
      const tree = join(workspace, 'tree')
      mkdirSync(directory, { recursive: true })
      if (typeof wanted === 'object') await renew(workspace)
      else makeWorkspace(workspace)
      if (wanted === 'none') mkdirSync(tree)
      else if (wanted === 'commit') mountsOf.set(name, await makeTree(tree))
      return { directory, workspace, tree, mounts: mountsOf.get(owner) ?? [] }
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

function makeWorkspace(workspace: string): void {
  for (const path of [workspace, join(workspace, 'tmp'), join(workspace, 'archive')]) mkdirSync(path)
}

/** A run that takes over a tree has temporary files and an archive of its own. */
async function renew(workspace: string): Promise<void> {
  for (const name of ['tmp', 'archive']) {
    await removeTree(join(workspace, name))
    mkdirSync(join(workspace, name))
  }
}

/** The run whose tree a run works in: itself, or the one at the start of its chain of workspaces. */
export function ownerOf(name: string, runs: PlannedRun[]): string {
  const run = runs.find((other) => other.name === name)
  return run !== undefined && typeof run.workspace === 'object' ? ownerOf(run.workspace.from, runs) : name
}
