import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isCode } from './read.ts'

/** Opens a regular file for reading: never through a link, no FIFO to wait for. Undefined where there is none. */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unlessNone)
  if (file === undefined || (await file.stat()).isFile()) return file
  await file.close()
  return undefined
}

function unlessNone(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].some((code) => isCode(error, code))) throw error
}
