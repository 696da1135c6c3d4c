import { statSync } from 'node:fs'
import { sep } from 'node:path'
import { homeDirectory } from '../config/home.ts'

/** What to do where the system would not: the disk or the rights are to be mended, and no stack would say more. */
const remedies: Record<string, string> = {
  EACCES: 'run quern as the user to whom the home belongs',
  EPERM: 'run quern as the user to whom the home belongs',
  ENOSPC: 'the disk is full: make room on it, or lower what quern.yaml keeps under retention and run quern prune',
  EDQUOT: 'the quota of this user is used up: raise it, or remove files of this user',
  EROFS: 'the disk is mounted read-only: mount it for writing, or look into the kernel\'s log (dmesg) for why it no longer is',
}

/** The remedy where rights or the disk are at fault, also where that is the cause of the error; undefined for any other. */
export function remedyOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, path } = error as NodeJS.ErrnoException
  if ((code === 'EACCES' || code === 'EPERM') && path !== undefined && isOwner()) return remedyOfClosed(path)
  return (code === undefined ? undefined : remedies[code]) ?? remedyOf(error.cause)
}

/** For the user to whom the home belongs. Doctor looks at that alone. */
function remedyOfClosed(path: string): string {
  if (!path.startsWith(homeDirectory() + sep)) return 'have it opened to you, or name another place'
  return 'something there is closed to the user to whom the home belongs, as after a command of root: quern doctor names the remedy'
}

/** Whether the home belongs to who calls. */
function isOwner(): boolean {
  try {
    return statSync(homeDirectory()).uid === process.getuid?.()
  } catch {
    return false
  }
}
