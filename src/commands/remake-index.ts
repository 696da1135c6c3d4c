import { join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import { rebuildIndex } from '../record/build-index.ts'

/** Makes builds/index.jsonl anew, under the builder's lock: a builder adds to the file. False where one is at work. */
export function remakeIndex(home: string): boolean {
  const lock = takeLock(join(home, 'queue/.lock'))
  if (lock === undefined) return false
  try {
    rebuildIndex(home)
    return true
  } finally {
    lock.release()
  }
}
