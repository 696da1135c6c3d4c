import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'

/** Bytes of all files below a directory, links not followed. */
export function bytesIn(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + (orMissing(() => lstatSync(join(entry.parentPath, entry.name)).size) ?? 0), 0)
}
