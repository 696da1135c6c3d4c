import { constants, lstatSync, realpathSync, writeFileSync } from 'node:fs'
import { copyFile, mkdir } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'

/** A file that a run left behind, as artifacts.json lists it. */
export interface Artifact {
  /** Below artifacts/. */
  path: string
  /** Bytes. */
  size: number
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

/** Files of a run that may be kept. */
const most = 10_000

/**
 * Copies what a run left into `<directory>/artifacts` and lists it in `<directory>/artifacts.json`. Only regular files
 * that really lie in the tree are taken: nothing through a link, wherever it leads. To be called when no process of the run
 * is left. Over its limits a run keeps none.
 * @throws {ArtifactError} with the sizes where the limits are exceeded
 */
export async function keepArtifacts(directory: string, { tree, globs, archive, limit, shown }: ArtifactSources): Promise<Artifact[]> {
  const found = [...(await find(tree, globs)), ...(archive === undefined ? [] : await find(archive, ['**']))]
  if (found.length === 0) return []
  checkLimits(found, limit)
  const target = join(directory, 'artifacts')
  const kept = new Map<string, Artifact>()
  for (const { root, path, size } of found) {
    const name = shown(path)
    await mkdir(dirname(join(target, name)), { recursive: true })
    await copyFile(join(root, path), join(target, name), constants.COPYFILE_FICLONE)
    kept.set(name, { path: name, size })
  }
  const artifacts = [...kept.values()]
  writeFileSync(join(directory, 'artifacts.json'), `${JSON.stringify(artifacts, null, 2)}\n`)
  return artifacts
}

/** The run left more than it may; the message says how much. */
export class ArtifactError extends Error {
  override name = 'ArtifactError'
}

interface Found extends Artifact {
  root: string
}

async function find(root: string, globs: string[]): Promise<Found[]> {
  // The job may have put a link in the place of the directory itself.
  if (globs.length === 0 || lstatSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  const { default: fastGlob } = await import('fast-glob')
  const paths = await fastGlob(globs, { cwd: root, dot: true, followSymbolicLinks: false, onlyFiles: true, suppressErrors: true, ignore: ['.git/**'] })
  return paths.toSorted().flatMap((path) => {
    const size = sizeWithin(root, path)
    return size === undefined ? [] : [{ root, path, size }]
  })
}

/** The size of a regular file that lies in the directory by its real path; a glob may name a link itself, or climb out by "..". */
function sizeWithin(root: string, path: string): number | undefined {
  if (isAbsolute(path) || path.split('/').includes('..')) return undefined
  const stats = lstatSync(join(root, path), { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile()) return undefined
  return realpathSync(join(root, path)) === join(realpathSync(root), path) ? stats.size : undefined
}

function checkLimits(found: Found[], limit: number): void {
  const size = found.reduce((sum, file) => sum + file.size, 0)
  if (found.length > most) throw new ArtifactError(`it left ${found.length} files as artifacts, and at most ${most} are kept: name fewer in "artifacts", or pack them`)
  if (size > limit) throw new ArtifactError(`its artifacts are ${mebibytes(size)} MiB, and at most ${mebibytes(limit)} MiB are kept (ARTIFACT_LIMIT in environment.sh): name fewer in "artifacts", or raise the limit`)
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(bytes < 10 * 1024 ** 2 ? 1 : 0)
}
