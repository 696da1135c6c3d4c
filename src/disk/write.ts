import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a small file so that readers see the old content or the new, never a part.
 * With `durable` it also survives a power cut once this returns; without, only a crash of the process.
 * @throws the file system's error; the old content is then still in place
 */
export function writeAtomically(path: string, content: string | Uint8Array, { durable = false, mode = 0o644 } = {}): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    writeWhole(temporary, content, { durable, mode })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (durable) syncDirectory(dirname(path))
}

/** Makes the names in a directory survive a power cut: files created in it, renamed into it, removed from it. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes a directory and its parents, owner-writable; fine where it exists. */
export function makeDirectory(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}

/** The same, and what is made survives a power cut. */
export function makeDurably(path: string): string {
  const first = mkdirSync(path, { recursive: true })
  if (first !== undefined) for (let made = path; made.length >= first.length; made = dirname(made)) syncDirectory(dirname(made))
  return path
}

function writeWhole(path: string, content: string | Uint8Array, { durable, mode }: { durable: boolean; mode: number }): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const descriptor = openSync(path, 'w', mode)
  try {
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset)
    if (durable) fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
