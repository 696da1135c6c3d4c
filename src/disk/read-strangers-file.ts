import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { isCode } from './read.ts'

/**
 * The text of a file that a job may have written: a regular file itself, never through a link, no FIFO to wait for, no
 * device. Undefined where there is none, or it is larger than `most` bytes.
 */
export function readStrangersFile(path: string, most: number): string | undefined {
  const descriptor = openOwn(path)
  if (descriptor === undefined) return undefined
  try {
    const { size } = fstatSync(descriptor)
    if (!fstatSync(descriptor).isFile() || size > most) return undefined
    const bytes = Buffer.alloc(size)
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, size, 0))
  } finally {
    closeSync(descriptor)
  }
}

/** Most often there is none, which is asked first: making an error takes longer. */
function openOwn(path: string): number | undefined {
  if (!existsSync(path)) return undefined
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EMLINK', 'ENXIO', 'EACCES', 'ENOTDIR', 'ENAMETOOLONG', 'EISDIR'].some((code) => isCode(error, code))) return undefined
    throw error
  }
}
