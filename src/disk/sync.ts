import { closeSync, fsync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Flushes an open file on the thread pool. */
export const sync = promisify(fsync)

/** Makes the names in these directories survive a power cut: all at once, on the thread pool. @throws the first error */
export async function syncDirectories(directories: Iterable<string>): Promise<void> {
  await Promise.all([...new Set(directories)].map(syncOne))
}

async function syncOne(path: string): Promise<void> {
  const descriptor = openSync(path, 'r')
  try {
    await sync(descriptor)
  } catch (error) {
    throw new Error(`flushing ${path} to disk: ${(error as Error).message}`, { cause: error })
  } finally {
    closeSync(descriptor)
  }
}

/** Makes all files in a directory, and their names, survive a power cut. */
export async function syncTree(directory: string): Promise<void> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  for (const entry of entries) if (entry.isFile() || entry.isDirectory()) await syncOne(join(entry.parentPath, entry.name))
  await syncOne(directory)
}
