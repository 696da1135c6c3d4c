import { closeSync, fsync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runProgram } from './program.ts'

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

/** From so many files on it is faster to flush the whole file system; and no more are open at once. */
const many = 100

/** Makes all files in a directory, and their names, survive a power cut. */
export async function syncTree(directory: string): Promise<void> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() || entry.isDirectory())
  if (entries.length > many && (await syncFileSystem(directory))) return
  const paths = [directory, ...entries.map((entry) => join(entry.parentPath, entry.name))]
  for (let done = 0; done < paths.length; done += many) await Promise.all(paths.slice(done, done + many).map(syncOne))
}

/** GNU coreutils can do that. @returns whether it was done */
function syncFileSystem(directory: string): Promise<boolean> {
  return runProgram('sync', ['--file-system', directory]).then(
    () => true,
    () => false,
  )
}
