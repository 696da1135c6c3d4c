import { existsSync, lstatSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import { orMissing } from '../disk/read.ts'
import { removeAll } from '../disk/remove.ts'
import { temporary } from './mirrors.ts'

/**
 * Removes the mirrors that nobody has asked for since a time, and halves of clones; the next fetch clones anew. One that is
 * being fetched stays. Its lock file stays, too: a second one would be a second lock. Returns how many it removed.
 * @param before milliseconds since 1970; longer ago than any build lasts that reads a mirror
 */
export async function pruneMirrors(directory: string, { before, dryRun }: { before: number; dryRun: boolean }): Promise<number> {
  const locks = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => name.endsWith('.lock')).map((name) => join(directory, name))
  let removed = 0
  for (const lock of locks) {
    const path = lock.slice(0, -'.lock'.length)
    const isUnused = () => lstatSync(lock).mtimeMs < before && (existsSync(path) || existsSync(temporary(path)))
    if (!isUnused()) continue
    if (!dryRun && !(await removeUnused({ lock, path, isUnused }))) continue
    removed += 1
  }
  return removed
}

/** Under the name of half a clone, nobody takes it for a mirror. @returns whether it is gone */
async function removeUnused({ lock, path, isUnused }: { lock: string; path: string; isUnused: () => boolean }): Promise<boolean> {
  const held = takeLock(lock)
  if (held === undefined) return false
  try {
    if (!isUnused()) return false
    await removeAll(temporary(path))
    if (existsSync(path)) renameSync(path, temporary(path))
    await removeAll(temporary(path))
    return true
  } finally {
    held.release()
  }
}
