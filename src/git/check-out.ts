import { lstatSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { CheckoutError, GitError } from './git-error.ts'
import { lfsSettings } from './lfs.ts'
import { saysTorn, suspect } from './mark-mirror.ts'
import type { Mirror } from './mirror.ts'
import type { Mirrors } from './mirrors.ts'
import { readRemote } from './remote.ts'
import { runGit } from './run-git.ts'
import { readSubmodules } from './submodules.ts'
import { borrowedBy, writeRepository } from './write-repository.ts'

/** What to check out, and where. */
export interface CheckoutOptions {
  mirrors: Mirrors
  mirror: Mirror
  /** Full id of a commit that the mirror holds. */
  commit: string
  /** Made here; nothing may be in it. */
  directory: string
  /** Untrusted code names no server for us to contact and gets nothing by our credentials. */
  trusted: boolean
  /** For submodules on the mirror's own server. */
  token?: string | undefined
  signal?: AbortSignal | undefined
}

export interface Checkout {
  /** The directories that the tree's `.git` borrows objects from. Without them files are there, but `git log` fails. */
  mounts: { from: string; to: string; readonly: true; portable: true }[]
}

/** Milliseconds to write a tree, LFS files brought from the server included. */
const timeout = 60 * 60 * 1000

/** What git may allocate for a stranger's tree: one of some kilobytes can have a hundred million files. This is room for ten million. */
const strangersMemory = 2 * 1024 ** 3

/** Submodules within submodules, at most. */
const deepest = 5

/**
 * Makes a fresh work tree at the exact commit, HEAD detached, with branches as `origin/…` and tags, submodules and LFS
 * files. Nothing in it leads a job to writing into the mirror: no hard link, no worktree link.
 * No git may run in it any more once a job could write it (law 4).
 * @throws {CheckoutError} with the reason where the tree cannot be made
 */
export async function checkOut(options: CheckoutOptions): Promise<Checkout> {
  const mounts = new Map<string, Checkout['mounts'][number]>()
  try {
    await checkOutAt(options, mounts, 0)
  } catch (error) {
    if (error instanceof GitError && saysTorn(error)) suspect(options.mirror.directory)
    throw error instanceof GitError ? new CheckoutError(error.message, { cause: error }) : error
  }
  return { mounts: [...mounts.values()] }
}

async function checkOutAt(options: CheckoutOptions, mounts: Map<string, Checkout['mounts'][number]>, depth: number): Promise<void> {
  const { mirror, commit, directory, trusted, signal } = options
  makeEmpty(directory)
  const borrowed = await writeRepository({ mirror, commit, directory })
  for (const path of [borrowed, ...borrowedBy(mirror)]) mounts.set(path, { from: path, to: path, readonly: true, portable: true })
  const memory = trusted ? undefined : strangersMemory
  const config = ['checkout.workers=0', ...(await mirror.once(`lfs ${commit}`, () => lfsSettings(mirror, commit, memory)))]
  const doing = `checking out ${commit} of ${mirror.url}`
  await runGit(['read-tree', '--reset', '-u', commit], { doing, cwd: directory, env: mirror.env, config, protocols: mirror.protocols, signal, timeout, memory })
  await checkOutSubmodules(options, mounts, depth)
}

async function checkOutSubmodules(options: CheckoutOptions, mounts: Map<string, Checkout['mounts'][number]>, depth: number): Promise<void> {
  if (orMissing(() => lstatSync(join(options.directory, '.gitmodules'))) === undefined) return
  for (const { path, url, commit } of await readSubmodules(options.mirror, options.commit, options.trusted)) {
    if (depth === deepest) throw new CheckoutError(`submodule ${path} of ${options.mirror.url}: submodules are followed ${deepest} deep, not further`)
    expectInside(options, path)
    const token = options.trusted && sameServer(url, options.mirror.url) ? options.token : undefined
    const mirror = await fetchSubmodule(options, { path, url, commit, token })
    await checkOutAt({ ...options, mirror, commit, directory: join(options.directory, path) }, mounts, depth + 1)
  }
}

async function fetchSubmodule({ mirrors, mirror, trusted, signal }: CheckoutOptions, { path, url, commit, token }: { path: string; url: string; commit: string; token: string | undefined }): Promise<Mirror> {
  try {
    return await mirrors.fetchMirror(url, { commit, token, signal })
  } catch (error) {
    signal?.throwIfAborted()
    const remedy = trusted ? '' : '; for an untrusted request submodules are fetched without credentials'
    throw new CheckoutError(`submodule ${path} of ${mirror.url}: ${(error as Error).message}${remedy}`, { cause: error })
  }
}

/**
 * A tree can name a link and, once more by the same name, a directory with a submodule: git lists both and makes one of them.
 * Through the link the submodule would be written to wherever on this host it leads.
 */
function expectInside({ directory, mirror }: CheckoutOptions, path: string): void {
  if (orMissing(() => realpathSync(join(directory, path))) === join(realpathSync(directory), path)) return
  throw new CheckoutError(`submodule ${path} of ${mirror.url}: git made no directory for it in the tree; expected none of its directories to be a link, nor to have the name of another file`)
}

/** Git has made an empty directory for a submodule; whatever else is there was not made by us. */
function makeEmpty(directory: string): void {
  mkdirSync(directory, { recursive: true })
  if (!lstatSync(directory).isDirectory() || readdirSync(directory).length > 0) throw new CheckoutError(`checking out into ${directory}: expected an empty directory`)
}

/** A token goes to the server that it was given for, whatever repository a submodule names there. */
function sameServer(url: string, other: string): boolean {
  const { origin } = readRemote(url)
  return origin !== undefined && origin === readRemote(other).origin
}
