import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { isCode } from '../disk/read.ts'
import { SecretsError } from './secrets-error.ts'

/** Bytes of a file that a person wrote. */
const largest = 1_000_000

/**
 * The text of a file that nobody else may read, or undefined where there is none. What was checked is what is read.
 * @throws {SecretsError} with the command that mends it where its mode or its owner lets others read it
 */
export function readPrivateFile(path: string): string | undefined {
  const descriptor = openOrMissing(path)
  if (descriptor === undefined) return undefined
  try {
    const { mode, uid, size } = fstatSync(descriptor)
    const allowed = mode & 0o777
    if (uid !== process.geteuid!()) throw new SecretsError(`${path} belongs to user ${uid}, but Quern runs as user ${process.geteuid!()}: chown ${process.geteuid!()} ${path}`)
    if ((allowed & 0o077) !== 0) throw new SecretsError(`${path} can be used by others (its mode is ${allowed.toString(8).padStart(4, '0')}): chmod 600 ${path}`)
    if (size > largest) throw new SecretsError(`${path}: expected at most ${largest} bytes, it has ${size}`)
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

function openOrMissing(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined
    throw new SecretsError(`reading ${path}: ${(error as NodeJS.ErrnoException).code}`, { cause: error })
  }
}
