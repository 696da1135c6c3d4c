import { readFileSync, statSync } from 'node:fs'

/** The text of a file, or undefined where there is none, which is asked first: making an error takes longer. @throws other errors of the file system */
export function readIfThere(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false }) && orMissing(() => readFileSync(path, 'utf8'))
}

/** What the call returns, or undefined where it fails because a file or directory is not there. */
export function orMissing<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

/** Whether this is a system error of that code, like `ENOENT`. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}
