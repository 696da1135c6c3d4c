import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { isCode } from './read.ts'

/** A lock that is held; the kernel releases it, too, when this process dies in any way. */
export interface Lock {
  release(): void
}

/** flock(1) first; perl where a system (macOS) has none. Both lock the open file that they inherit as descriptor 3. */
const lockers: [string, string[]][] = [
  ['flock', ['-n', '3']],
  ['perl', ['-e', 'open(my $f, ">&=", 3) or exit 2; exit(flock($f, 6) ? 0 : 1)']],
]

/**
 * Takes the lock on a file, or returns undefined at once where another process has it.
 * The lock belongs to the open file, so it stays here when the locking command ends, and Node marks the
 * descriptor close-on-exec, so no job inherits it. The file is never removed: a second one would be a second lock.
 */
export function takeLock(path: string): Lock | undefined {
  const descriptor = openSync(path, 'a')
  for (const [command, options] of lockers) {
    const { error, status } = spawnSync(command, options, { stdio: ['ignore', 'ignore', 'ignore', descriptor] })
    if (isCode(error, 'ENOENT') || isCode(error, 'EACCES')) continue
    if (status === 0) return { release: () => closeSync(descriptor) }
    closeSync(descriptor)
    // No process or no memory is left for it: that passes.
    if (error !== undefined) throw new Error(`locking ${path}: starting ${command}: ${error.message}`, { cause: error })
    if (status === 1) return undefined
    throw new Error(`locking ${path} with ${command}: expected exit code 0 or 1, got ${status}`)
  }
  closeSync(descriptor)
  throw new Error(`locking ${path}: neither flock nor perl is on PATH; install util-linux`)
}
