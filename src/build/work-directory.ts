import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isCode } from '../disk/read.ts'

/** Where everything works that is being built. Under the builder's lock it is empty once the claims of a dead builder are mended. */
export function workDirectory(home: string): string {
  return join(home, 'cache', 'work')
}

/** Removes what a job left, never through a link, also directories that it made unreadable to their owner. */
export async function removeTree(path: string): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    if (!isCode(error, 'EACCES') && !isCode(error, 'EPERM') && !isCode(error, 'ENOTEMPTY')) throw error
    await promisify(execFile)('chmod', ['-R', 'u+rwX', path]).catch(() => undefined)
    rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  }
}
