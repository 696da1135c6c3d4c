import { lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { removeTree, workDirectory } from './work-directory.ts'

/** What a job may write: a directory with these three in it. */
export interface Workspace {
  path: string
  /** The work tree. */
  tree: string
  /** TMPDIR */
  temporary: string
  /** ARCHIVE_ROOT */
  archive: string
}

/** The workspaces of a builder, in cache/work/. */
export interface Workspaces {
  /** A fresh one, its directories empty. */
  take(): Workspace
  /** The run has ended and nothing wants what it left. */
  give(workspace: Workspace): Promise<void>
  /** Removes them all, and whatever a dead builder left there. Only under the builder's lock, while nothing runs. */
  clear(): Promise<void>
}

/**
 * Most short runs leave their directories as they found them, and making and removing directories is the dearest thing that
 * many disks do: what is found empty and unchanged is as fresh as a new one, and serves the next run.
 */
export function openWorkspaces(home: string): Workspaces {
  const unused: Workspace[] = []
  let made = 0
  return {
    take: () => unused.pop() ?? makeWorkspace(join(workDirectory(home), String(++made))),
    async give(workspace) {
      if (isUntouched(workspace)) unused.push(workspace)
      else await removeTree(workspace.path)
    },
    async clear() {
      unused.length = 0
      for (const name of orMissing(() => readdirSync(workDirectory(home))) ?? []) await removeTree(join(workDirectory(home), name))
    },
  }
}

const directories = ['tree', 'tmp', 'archive']

function makeWorkspace(path: string): Workspace {
  mkdirSync(path, { recursive: true })
  const [tree, temporary, archive] = directories.map((name) => join(path, name)) as [string, string, string]
  for (const directory of [tree, temporary, archive]) mkdirSync(directory)
  return { path, tree, temporary, archive }
}

/** Whether it is as `makeWorkspace` leaves it: nothing in it but three empty directories, all of them ours and with the usual mode. */
function isUntouched({ path, tree, temporary, archive }: Workspace): boolean {
  const outer = lstatSync(path)
  const same = (directory: string) => {
    const found = lstatSync(directory, { throwIfNoEntry: false })
    return found !== undefined && found.isDirectory() && found.mode === outer.mode && found.uid === process.getuid?.() && readdirSync(directory).length === 0
  }
  return outer.uid === process.getuid?.() && readdirSync(path).length === directories.length && [tree, temporary, archive].every(same)
}
