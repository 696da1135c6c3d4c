import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { isCode } from './read.ts'

/** Opens a regular file for reading; undefined where there is nothing. @throws where it is a link, a FIFO to wait for, or else no file */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unlessNone)
  if (file === undefined || (await file.stat()).isFile()) return file
  await file.close()
  throw new Error(`opening ${path}: expected a regular file`)
}

function unlessNone(error: unknown): undefined {
  if (!isCode(error, 'ENOENT') && !isCode(error, 'ENOTDIR')) throw error
}
