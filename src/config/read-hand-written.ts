import { readFileSync } from 'node:fs'
import { isCode, orMissing } from '../disk/read.ts'
import { ConfigError } from './config-error.ts'

/** The text of a file that a person wrote, or undefined where there is none. @throws {ConfigError} where this user may not read it, or it is not UTF-8 */
export function readHandWritten(path: string): string | undefined {
  const bytes = orMissing(() => readAsUser(path))
  if (bytes === undefined) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new ConfigError(`${path}: expected UTF-8 text: save it as UTF-8`, { cause: error })
  }
}

function readAsUser(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    if (!isCode(error, 'EACCES') && !isCode(error, 'EISDIR')) throw error
    throw new ConfigError(`${path}: expected a file that this user may read: ${(error as Error).message}`, { cause: error })
  }
}
