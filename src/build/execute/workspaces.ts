import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../../disk/read.ts'
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
  /** The run has ended and nothing wants what it left. `again`: where it is untouched, another run may have it. */
  give(workspace: Workspace, options?: { again: boolean }): Promise<void>
  /**
   * Removes them all, and whatever a dead builder left there. Only under the builder's lock, while nothing runs.
   * Resolves with why something stays: one tree that cannot be removed must not keep every later build from its turn.
   */
  clear(): Promise<Error[]>
}

/**
 * Most short runs leave their directories as they found them, and making and removing directories is the dearest thing that
 * many disks do: what is found empty and unchanged is as fresh as a new one, and serves the next run. Not after a run that
 * was isolated: what it can leave on an empty directory, like a default access list, is not looked for.
 */
export function openWorkspaces(home: string): Workspaces {
  const unused: Workspace[] = []
  let made = 0
  return {
    take: () => unused.pop() ?? makeWorkspace(nextPath()),
    async give(workspace, { again } = { again: false }) {
      if (again && isUntouched(workspace)) unused.push(workspace)
      else await removeTree(workspace.path)
    },
    async clear() {
      unused.length = 0
      closeToOthers(workDirectory(home))
      const left = (orMissing(() => readdirSync(workDirectory(home))) ?? []).map((name) => join(workDirectory(home), name))
      const problems: Error[] = []
      // One after the other: each may be a program at work on the same disk.
      for (const path of left) await removeTree(path).catch((error: unknown) => void problems.push(error as Error))
      return problems
    },
  }

  /** What could not be removed keeps its number. */
  function nextPath(): string {
    const path = join(workDirectory(home), String(++made))
    return existsSync(path) ? nextPath() : path
  }
}

/** Of an ordinary user's builder even an isolated run can leave a program there that is executed with the builder's rights. */
function closeToOthers(directory: string): void {
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, 0o700)
}

const directories = ['tree', 'tmp', 'archive']

/** The mode in which directories are made. */
let usualMode = 0

function makeWorkspace(path: string): Workspace {
  mkdirSync(path, { recursive: true })
  usualMode = lstatSync(path).mode
  const [tree, temporary, archive] = directories.map((name) => join(path, name)) as [string, string, string]
  for (const directory of [tree, temporary, archive]) mkdirSync(directory)
  return { path, tree, temporary, archive }
}

/** A job may close its directories to their owner, who is to look into them. Called only while nothing runs that could write there. */
export function openToOwner({ path, tree, temporary, archive }: Workspace): void {
  for (const directory of [path, tree, temporary, archive]) {
    const found = lstatSync(directory, { throwIfNoEntry: false })
    if (found?.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o700) !== 0o700) chmodSync(directory, found.mode | 0o700)
  }
}

/** Whether it is as `makeWorkspace` leaves it: nothing in it but three empty directories, all of them ours and with the usual mode. */
function isUntouched({ path, tree, temporary, archive }: Workspace): boolean {
  return isUsual(path) && readdirSync(path).length === directories.length && [tree, temporary, archive].every((directory) => isUsual(directory) && readdirSync(directory).length === 0)
}

function isUsual(directory: string): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false })
  return found !== undefined && found.isDirectory() && found.mode === usualMode && found.uid === process.getuid?.()
}
