import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cloneToken } from '../git/clone-token.ts'
import { GitError } from '../git/git-error.ts'
import type { Mirrors } from '../git/mirrors.ts'
import { askGit, runGit } from '../git/run-git.ts'
import { PlanError } from './plan-error.ts'

export interface SyncSettings {
  /** The clone: job-defs in the home. */
  directory: string
  mirrors: Mirrors
  /** What git may know of our own environment, see `gitWorld`. */
  env: Record<string, string>
  token: Parameters<typeof cloneToken>[1]
}

export interface Synced {
  /** Commits before and after; the same where nothing was new. */
  before: string
  after: string
  /** Definitions that the new commits added, changed or removed, by file below job-defs. */
  files: { change: 'added' | 'changed' | 'removed'; file: string }[]
}

/**
 * Brings the clone of job definitions to where its branch is on the server, only ever forwards: what was committed or
 * changed by hand in it stays, and is told.
 * @throws {PlanError} where it is no clone or has left its branch on the server, {GitError} where git or the server refuses
 */
export async function syncJobDefinitions({ directory, mirrors, env, token }: SyncSettings): Promise<Synced> {
  if (!existsSync(join(directory, '.git'))) throw new PlanError(`${directory} is no git clone, so there is nothing to pull: ${existsSync(directory) ? 'move it away, then ' : ''}git clone URL ${directory}`)
  const git = (doing: string, ...args: string[]) => runGit(args, { doing: `${doing} of ${directory}`, cwd: directory, env, protocols: ['file'] })
  const branch = await checkedOutBranch(directory, env)
  const url = (await git('reading the remote', 'remote', 'get-url', branch.remote)).trim()
  const mirror = await mirrors.fetchMirror(url, { token: cloneToken(url, token) })
  const before = (await git('reading the commit', 'rev-parse', 'HEAD')).trim()
  // From the mirror's own directory: all that may ask the server for anything is in one place.
  await git('fetching', 'fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--', mirror.directory, `+${branch.merge}:refs/remotes/${branch.remote}/${branch.name}`)
  const after = (await git('reading the fetched commit', 'rev-parse', `refs/remotes/${branch.remote}/${branch.name}`)).trim()
  await fastForward(directory, after, git)
  return { before, after, files: readChanges(await git('comparing the commits', 'diff', '--no-renames', '--name-status', '-z', before, after)) }
}

interface Branch {
  name: string
  remote: string
  /** The ref on the server. */
  merge: string
}

async function checkedOutBranch(directory: string, env: Record<string, string>): Promise<Branch> {
  const ask = async (...args: string[]) => (await askGit(args, { doing: `reading the branch of ${directory}`, cwd: directory, env }))?.trim()
  const name = await ask('symbolic-ref', '--quiet', '--short', 'HEAD')
  if (!name) throw new PlanError(`${directory} has no branch checked out: git -C ${directory} switch main`)
  const remote = await ask('config', '--get', `branch.${name}.remote`)
  const merge = await ask('config', '--get', `branch.${name}.merge`)
  if (remote && merge) return { name, remote, merge }
  throw new PlanError(`the branch ${name} of ${directory} follows no branch of a server: git -C ${directory} branch --set-upstream-to=origin/${name}`)
}

async function fastForward(directory: string, after: string, git: (doing: string, ...args: string[]) => Promise<string>): Promise<void> {
  try {
    await git('updating the files', 'merge', '--quiet', '--ff-only', after)
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    throw new PlanError(`${error.message}. Definitions are changed on the server only: take along what was changed in ${directory}, then git -C ${directory} reset --hard ${after}`, { cause: error })
  }
}

const changes: Record<string, Synced['files'][number]['change']> = { A: 'added', D: 'removed' }

function readChanges(printed: string): Synced['files'] {
  const words = printed.split('\0').slice(0, -1)
  const pairs = Array.from({ length: words.length / 2 }, (_, index) => ({ change: changes[words[2 * index]!] ?? ('changed' as const), file: words[2 * index + 1]! }))
  return pairs.filter(({ file }) => /\.ya?ml$/.test(file) && !file.split('/').some((part) => part.startsWith('.')))
}
