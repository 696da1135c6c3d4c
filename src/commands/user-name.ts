import { userInfo } from 'node:os'
import { isCode } from '../disk/read.ts'

/** Who is at the keyboard, for decisions that say who asked; the number where the system knows no name. */
export function userName(): string {
  try {
    return userInfo().username
  } catch (error) {
    if (isCode(error, 'ERR_SYSTEM_ERROR') || isCode(error, 'ENOENT')) return `user ${process.getuid?.()}`
    throw error
  }
}
