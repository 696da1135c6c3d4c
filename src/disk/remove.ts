import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from './program.ts'

/** What is removed here: it is gone sooner than a program is started. More would keep this process from hearing anybody meanwhile. */
const few = { entries: 200, bytes: 64 * 1024 * 1024 }

/** Bytes of a directory itself, which grow with its entries on every file system. */
const longDirectory = 64 * 1024

/**
 * Removes whatever is at the path, never through a link; nothing there is fine. Directories may be nested deeper than a
 * path can be long.
 * @throws where something stays
 */
export async function removeAll(path: string): Promise<void> {
  if (!isRemovedHere(path)) await runProgram('rm', ['-rf', '--', path])
}

/** The same for what a job left: also directories that it closed to their owner, and what it made immutable. @throws where something stays */
export async function removeForced(path: string): Promise<void> {
  try {
    await removeAll(path)
  } catch {
    // chmod would follow a link that is named itself.
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      await runProgram('chmod', ['-R', '-f', 'u+rwX', path]).catch(() => undefined)
      // A job of root may make its files immutable, or to be appended to only; not every file system knows that.
      await runProgram('chattr', ['-R', '-f', '-ia', path]).catch(() => undefined)
    }
    await removeAll(path)
  }
}

/** Whether all of it is removed already. */
function isRemovedHere(path: string): boolean {
  try {
    return removeFew(path, { ...few })
  } catch (error) {
    // Unreadable, too deep for a path, or a name that is no text: that is for the program to do, or to complain about.
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

function removeFew(path: string, left: typeof few): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return true
  left.entries -= 1
  // Of a file with other names nothing is given back.
  if (found.isFile() && found.nlink === 1) left.bytes -= found.blocks * 512
  if (left.entries < 0 || left.bytes < 0) return false
  if (!found.isDirectory()) {
    unlinkSync(path)
    return true
  }
  if (found.size > longDirectory || !readdirSync(path).every((name) => removeFew(join(path, name), left))) return false
  rmdirSync(path)
  return true
}
