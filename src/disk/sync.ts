import { closeSync, fsync, openSync } from 'node:fs'
import { promisify } from 'node:util'

/** Flushes an open file on the thread pool. */
export const sync = promisify(fsync)

/** Makes the names in these directories survive a power cut: all at once, on the thread pool. @throws the first error */
export async function syncDirectories(directories: Iterable<string>): Promise<void> {
  await Promise.all([...new Set(directories)].map(syncOne))
}

async function syncOne(directory: string): Promise<void> {
  const descriptor = openSync(directory, 'r')
  try {
    await sync(descriptor)
  } catch (error) {
    throw new Error(`flushing ${directory} to disk: ${(error as Error).message}`, { cause: error })
  } finally {
    closeSync(descriptor)
  }
}
