import { createHash } from 'node:crypto'
import { existsSync, renameSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { removeAll } from '../disk/remove.ts'
import { syncTree } from '../disk/sync.ts'
import { withLock } from '../disk/with-lock.ts'
import { makeDirectory, writeAtomically } from '../disk/write.ts'
import { allowedRemote } from './allowed-remote.ts'
import { credentials, writeAskpass } from './askpass.ts'
import { followHead } from './follow-head.ts'
import { CheckoutError, GitError } from './git-error.ts'
import { isSuspected, marked, marker, removeWithin, saysTorn, saysUnruly } from './mark-mirror.ts'
import { openMirror, type Mirror } from './mirror.ts'
import type { Remote } from './remote.ts'
import { runGit, type GitOptions } from './run-git.ts'

/** The bare copies of repositories under cache/git. Safe to delete when nothing runs. */
export interface Mirrors {
  /**
   * Brings the mirror up to date, making it where there is none, and resolves once it holds the commit.
   * Calls for one repository, in this process or another, follow one another; no network is used where the ref is
   * there already and points to the commit.
   * @throws {CheckoutError} where the server no longer has the commit, or the URL is not one to clone from
   * @throws {GitError} where the server could not be reached or refused us
   */
  fetchMirror(url: string, options?: FetchOptions): Promise<Mirror>
}

interface FetchOptions {
  /** Full id of the commit that must be there afterwards. */
  commit?: string
  /** Refs wanted besides all branches and tags, like `refs/pull/7/head`. */
  refs?: string[]
  /** Whether the commit is enough where it is here already, wherever refs point by now. */
  commitOnly?: boolean
  /** For the URL's own server; it reaches no other, no command line and no message. */
  token?: string | undefined
  signal?: AbortSignal | undefined
}

/** Milliseconds that a clone or a fetch may take. */
const fetchTimeout = 60 * 60 * 1000

/** Ends a transfer that a server lets hang: less than 1,000 bytes a second for a minute. */
const lowSpeed = ['http.lowSpeedLimit=1000', 'http.lowSpeedTime=60']

/**
 * Opens cache/git. `env` is what `gitWorld` picked. `localPaths` allows paths of this host and file URLs:
 * only for URLs that the server's own settings name, since they reach whatever this user can read.
 */
export function openMirrors(directory: string, { env, localPaths = false }: { env: Record<string, string>; localPaths?: boolean }): Mirrors {
  makeDirectory(directory)
  const world = { ...env, HOME: directory, GIT_CONFIG_GLOBAL: writeConfig(directory), GIT_ASKPASS: writeAskpass(directory) }
  return {
    async fetchMirror(address, options = {}) {
      const remote = allowedRemote(address, localPaths)
      const path = join(directory, mirrorName(remote.url))
      const context: Context = { remote, path, options, git: gitFor(remote, world, options) }
      await withLock(lockOf(path), options.signal, () => bringUpToDate(context))
      return openedAt(context)
    },
  }
}

interface Context {
  remote: Remote
  path: string
  options: FetchOptions
  git: GitOptions
}

function openedAt({ remote, path, git }: Context): Mirror {
  return openMirror({ url: remote.url, directory: path, env: git.env, protocols: [remote.protocol] })
}

async function bringUpToDate(context: Context): Promise<void> {
  const { path } = context
  // By this time `quern prune` knows which mirrors are in use.
  utimesSync(lockOf(path), new Date(), new Date())
  await removeAll(temporary(path))
  if (existsSync(join(path, marker))) await repair(context)
  if (!existsSync(path)) await clone(context)
  else if (await pointsThere(context)) return
  else await fetchOrCloneAnew(context)
  await fetchCommit(context)
}

/** What a power cut tore would fail for ever. */
async function fetchOrCloneAnew(context: Context): Promise<void> {
  try {
    await marked(context.path, () => fetchAll(context))
  } catch (error) {
    if (!(error instanceof GitError) || !saysTorn(error)) throw error
    await clone(context)
  }
}

/** Clones under another name first, so that half a clone is never taken for a mirror, and one that is here goes only when another takes its place. */
async function clone({ remote, path, git }: Context): Promise<void> {
  await runGit(['clone', '--quiet', '--bare', '--no-local', '--template=', '--', remote.url, temporary(path)], { ...git, doing: `cloning ${remote.url}` })
  // Git leaves its settings and all names to chance.
  await syncTree(temporary(path))
  await removeAll(path)
  renameSync(temporary(path), path)
}

/** All branches and tags as the server has them now, and the refs asked for. One of these may be gone: then the commit decides. */
async function fetchAll(context: Context): Promise<void> {
  const everything = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
  const wanted = wantedRefs(context.options).map((ref) => `+${ref}:${ref}`)
  try {
    await fetch(context, [...everything, ...wanted])
  } catch (error) {
    if (wanted.length === 0 || !saysMissing(error)) throw error
    await fetch(context, everything)
  }
  await followHead(openedAt(context), context.git)
  await runGit(['gc', '--auto', '--quiet'], { ...context.git, cwd: context.path, doing: `packing ${context.path}`, config: ['gc.auto=6700', 'gc.autoDetach=false'] })
}

/** The wanted commit by its id, where no ref leads to it any more; servers may allow this (GitHub does). */
async function fetchCommit(context: Context): Promise<void> {
  const { commit } = context.options
  if (commit === undefined || (await openedAt(context).hasCommit(commit))) return
  const refs = wantedRefs(context.options)
  try {
    await marked(context.path, () => fetch(context, [...refs.map((ref) => `+${ref}:${ref}`), commit]))
  } catch (error) {
    context.options.signal?.throwIfAborted()
    if (refs.length > 0 && saysMissing(error)) return fetchCommit({ ...context, options: { ...context.options, refs: [] } })
    throw new CheckoutError(`${context.remote.url} no longer has the commit ${commit}: its branch was force-pushed or deleted (${messageOf(error)})`, { cause: error })
  }
  if (!(await openedAt(context).hasCommit(commit))) throw new CheckoutError(`${context.remote.url} has an object ${commit}, but it is not a commit`)
}

async function fetch({ remote, path, git }: Context, refspecs: string[]): Promise<void> {
  const options = ['--quiet', '--prune', '--force', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules']
  await runGit(['fetch', ...options, '--', remote.url, ...refspecs], { ...git, cwd: path, doing: `fetching ${remote.url}` })
}

/** Whether nothing need be fetched: a ref asked for points to the commit here already, so the mirror has been fetched since it was pushed. */
async function pointsThere(context: Context): Promise<boolean> {
  const { commit, refs = [], commitOnly = false } = context.options
  if (commit !== undefined && commitOnly) return openedAt(context).hasCommit(commit)
  if (commit === undefined || refs.length === 0) return false
  for (const ref of refs) {
    if ((await openedAt(context).resolve(ref)) !== commit) return false
  }
  return true
}

/** A fetch was killed: its lock files are stale, since we hold the mirror's own lock. What a power cut tore is cloned anew. */
async function repair({ path, git }: Context): Promise<void> {
  removeWithin(path, /\.lock$|^gc\.pid$|^objects\/(?:.*\/)?tmp_[^/]*$/)
  const depth = isSuspected(path) ? '--full' : '--connectivity-only'
  try {
    await runGit(['fsck', depth, '--no-dangling', '--no-progress'], { ...git, cwd: path, doing: `checking ${path}` })
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    if (!saysUnruly(error)) return removeAll(path)
  }
  rmSync(join(path, marker), { force: true })
}

function gitFor(remote: Remote, world: Record<string, string>, { token = remote.password, signal }: FetchOptions): GitOptions {
  const env = token === undefined || remote.origin === undefined ? world : { ...world, ...credentials(remote, remote.origin, token) }
  return { doing: '', env, cwd: world['HOME']!, signal, token, protocols: [remote.protocol], config: lowSpeed, timeout: fetchTimeout }
}

/**
 * Git's global settings: a repository that this server's settings name by its path may belong to another user. By itself git
 * flushes packs only, and a power cut would leave objects and refs empty. https://git-scm.com/docs/git-config#Documentation/git-config.txt-corefsync
 */
function writeConfig(directory: string): string {
  const path = join(directory, 'gitconfig')
  writeAtomically(path, '[safe]\n\tdirectory = *\n[core]\n\tfsync = committed,reference\n')
  return path
}

/** `github.com-owner-name~<hash>`: readable, and never the same for two URLs. */
function mirrorName(url: string): string {
  const readable = url.replace(/^[a-z+]+:\/\//, '').replace(/\.git$/, '').replace(/[^A-Za-z0-9_.]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(-60)
  return `${readable}~${createHash('sha256').update(url).digest('hex').slice(0, 16)}`
}

function lockOf(path: string): string {
  return `${path}.lock`
}

export function temporary(path: string): string {
  return `${path}.clone`
}

function wantedRefs({ refs = [] }: FetchOptions): string[] {
  return refs.filter((ref) => ref.startsWith('refs/') && !/^refs\/(?:heads|tags)\//.test(ref))
}

function saysMissing(error: unknown): boolean {
  return error instanceof GitError && /couldn't find remote ref|not our ref|no such remote ref/i.test(error.words)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
