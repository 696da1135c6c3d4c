import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { runProgram } from '../../disk/program.ts'
import { orMissing } from '../../disk/read.ts'
import { removeForced } from '../../disk/remove.ts'

/** Where everything works that is being built. Under the builder's lock it is empty once the claims of a dead builder are mended. */
export function workDirectory(home: string): string {
  return join(home, 'cache', 'work')
}

/**
 * Removes what a job left, never through a link, also directories that it made unreadable to their owner or nested deeper
 * than a path can be long, and what it made immutable. What it mounted there is taken out first: it is somebody else's.
 * @throws where something stays
 */
export async function removeTree(path: string): Promise<void> {
  for (const mount of mountsBelow(path)) await unmount(mount)
  await removeForced(path)
}

/** The last one mounted comes first. Empty where the system has no /proc. */
function mountsBelow(path: string): string[] {
  const parent = orMissing(() => realpathSync(dirname(path)))
  if (parent === undefined) return []
  const real = join(parent, basename(path))
  return mountPoints().filter((point) => point === real || point.startsWith(`${real}/`)).toReversed()
}

/** https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html: the fifth field, blanks and the like in octal. */
function mountPoints(): string[] {
  const lines = (orMissing(() => readFileSync('/proc/self/mountinfo', 'utf8')) ?? '').split('\n')
  return lines.flatMap((line) => line.split(' ')[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))) ?? [])
}

async function unmount(path: string): Promise<void> {
  try {
    await runProgram('umount', ['--lazy', path])
  } catch (error) {
    throw new Error(`a job left something mounted at ${path}, which is not removed before it is unmounted: umount ${path}`, { cause: error })
  }
}
