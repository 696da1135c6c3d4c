import { constants, lstatSync, realpathSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { isCode } from '../disk/read.ts'
import { removeAll } from '../disk/remove.ts'
import { syncDirectories, syncTree } from '../disk/sync.ts'
import { writeAtomically } from '../disk/write.ts'
import { readableLine } from '../model/readable.ts'
import { readGlobs } from './artifact-globs.ts'

/** A file that a run left behind, as artifacts.json lists it. */
export interface Artifact {
  /** Below artifacts/. */
  path: string
  /** Bytes. */
  size: number
}

export interface KeptArtifacts {
  artifacts: Artifact[]
  /** Files that were not kept, since their names are not text, or of several lines: no list or page could name them. */
  nameless: string[]
}

/** Where a run may have left files to be kept, and what of it. */
export interface ArtifactSources {
  /** The run's work tree, and globs in it. */
  tree: string
  globs: string[]
  /** The directory $ARCHIVE_ROOT: all of it is kept. Undefined where the job keeps none. */
  archive: string | undefined
  /** Bytes in all. */
  limit: number
  /** A name as it may be shown, secrets hidden. */
  shown: (path: string) => string
}

/** Bytes of an artifact's path. */
const longestPath = 1000

/** Files of a run that may be kept. */
const most = 10_000

/**
 * Copies what a run left into `<directory>/artifacts` and lists it in `<directory>/artifacts.json`. Only regular files
 * that really lie in the tree are taken: nothing through a link, wherever it leads. To be called when no process of the run
 * is left. Over its limits a run keeps none.
 * @throws {ArtifactError} with the sizes where the limits are exceeded
 */
export async function keepArtifacts(directory: string, { tree, globs, archive, limit, shown }: ArtifactSources): Promise<KeptArtifacts> {
  const all = await findAll({ tree, globs, archive }).catch(asFaultOfJob)
  checkLimits(all, { limit, shown })
  const found = all.filter(({ nameless }) => !nameless)
  const nameless = all.filter((file) => file.nameless).map(({ path }) => shown(path))
  if (found.length === 0) return { artifacts: [], nameless }
  const target = join(directory, 'artifacts')
  const kept = new Map<string, Artifact>()
  for (const { root, path, size } of found) {
    const name = shown(path)
    await keep(join(root, path), join(target, name)).catch((error: unknown) => refuse(target, name, error))
    kept.set(name, { path: name, size })
  }
  const artifacts = [...kept.values()]
  // Of a build that passed they may be all that anybody wants, and later builds take them over.
  await syncTree(target)
  await syncDirectories([dirname(directory)])
  writeAtomically(join(directory, 'artifacts.json'), `${JSON.stringify(artifacts, null, 2)}\n`, { durable: true })
  return { artifacts, nameless }
}

/** Of the mode that the job chose only what a record needs: never set-user-ID, for whoever could execute it. */
async function keep(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  await chmod(to, (lstatSync(from).mode & 0o755) | 0o644)
}

/** What a job can bring about is its own fault: a file it made unreadable, names too long or in each other's way. A full disk is ours. */
async function refuse(target: string, name: string, error: unknown): Promise<never> {
  if (!isFaultOfJob(error)) throw error
  await removeAll(target)
  throw new ArtifactError(`it left ${readableLine(name).slice(0, 200)} as an artifact, which cannot be kept (${(error as NodeJS.ErrnoException).code}): unreadable, too long, or a file and a directory of one name`, { cause: error })
}

/** What a job made cannot be looked at, or copied: closed, too deep, in each other's way, or a link to itself. */
function isFaultOfJob(error: unknown): boolean {
  return ['EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EACCES', 'ELOOP'].some((code) => isCode(error, code))
}

/** The run left more than it may; the message says how much. */
export class ArtifactError extends Error {
  override name = 'ArtifactError'
}

interface Found extends Artifact {
  root: string
  nameless: boolean
}

async function findAll({ tree, globs, archive }: Pick<ArtifactSources, 'tree' | 'globs' | 'archive'>): Promise<Found[]> {
  return [...(await find(tree, globs)), ...(archive === undefined ? [] : await find(archive, ['**']))]
}

/** Globs that stand for too much, or take too long. */
function asFaultOfJob(error: unknown): never {
  throw error instanceof RangeError ? new ArtifactError(error.message, { cause: error }) : error
}

async function find(root: string, globs: string[]): Promise<Found[]> {
  // The job may have put a link in the place of the directory itself.
  if (globs.length === 0 || lstatSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  const { bases, names } = readGlobs(globs)
  const found: Found[] = []
  for await (const bytes of filesBelow(root, bases.filter((base) => isReally(root, base)))) {
    const path = bytes.toString()
    if (isHistory(path) || !names(path)) continue
    const nameless = /[\n\r\u2028\u2029]/.test(path) || !Buffer.from(path).equals(bytes)
    const size = nameless ? 0 : sizeWithin(root, path)
    if (size !== undefined) found.push({ root, path, size, nameless })
    if (found.length > most) break
  }
  return found.toSorted((one, other) => (one.path < other.path ? -1 : 1))
}

/** Paths of the regular files below these directories, through no link, in bytes: a name need not be text. What cannot be read is left out. */
async function* filesBelow(root: string, bases: string[]): AsyncGenerator<Buffer> {
  const directories = bases.map((base) => Buffer.from(base))
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    const prefix = directory.length === 0 ? directory : Buffer.concat([directory, Buffer.from('/')])
    const entries = await readdir(Buffer.concat([Buffer.from(`${root}/`), directory]), { withFileTypes: true, encoding: 'buffer' }).catch(() => [])
    for (const entry of entries) {
      const path = Buffer.concat([prefix, entry.name])
      if (entry.isFile()) yield path
      else if (entry.isDirectory() && !isHistory(path.toString())) directories.push(path)
    }
  }
}

function isHistory(path: string): boolean {
  return path === '.git' || path.startsWith('.git/')
}

/** The size of a regular file that lies in the directory by its real path; a glob may name a link itself, or climb out by "..". */
function sizeWithin(root: string, path: string): number | undefined {
  if (isAbsolute(path) || path.split('/').includes('..')) return undefined
  try {
    const stats = lstatSync(join(root, path), { throwIfNoEntry: false })
    if (stats === undefined || !stats.isFile()) return undefined
    return isReally(root, path) ? stats.size : undefined
  } catch (error) {
    // To keep it fails in the same way, and is told with its name as it may be shown.
    if (isFaultOfJob(error)) return 0
    throw error
  }
}

/** Whether it is there, and no part of the path is a link. What is closed, or a link to itself, is not. */
function isReally(root: string, path: string): boolean {
  try {
    return realpathSync(join(root, path)) === join(realpathSync(root), path)
  } catch (error) {
    if (isCode(error, 'ENOENT') || isFaultOfJob(error)) return false
    throw error
  }
}

function checkLimits(found: Found[], { limit, shown }: Pick<ArtifactSources, 'limit' | 'shown'>): void {
  const size = found.reduce((sum, file) => sum + file.size, 0)
  if (found.length > most) throw new ArtifactError(`it left more than the ${most} files that are kept as artifacts: name fewer in "artifacts", or pack them`)
  // The record is moved, copied and removed under names of its own length.
  const long = found.find(({ path }) => Buffer.byteLength(path) > longestPath)
  if (long !== undefined) throw new ArtifactError(`it left ${readableLine(shown(long.path)).slice(0, 200)}… as an artifact, whose path is longer than the ${longestPath} bytes that are kept: pack it`)
  if (size > limit) throw new ArtifactError(`its artifacts are ${mebibytes(size)} MiB, and at most ${mebibytes(limit)} MiB are kept (ARTIFACT_LIMIT in environment.sh): name fewer in "artifacts", or raise the limit`)
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(bytes < 10 * 1024 ** 2 ? 1 : 0)
}
