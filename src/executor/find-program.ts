import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Where systems keep their programs. PATH is not asked: cron's, a shell's and a run's differ, and a run must not choose its own jailer. */
export const programDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/run/current-system/sw/bin', '/opt/homebrew/bin']

const found = new Map<string, string>()

/** The absolute path of a program of this system, or undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const known = found.get(name)
  if (known !== undefined) return known
  const path = programDirectories.map((directory) => join(directory, name)).find(isExecutable)
  if (path !== undefined) found.set(name, path)
  return path
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
