import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'

/**
 * The environment that every run starts with, the same however the builder was started (law 9): by cron with its bare
 * PATH, by hand, by the receiver. Node's own directory comes first, so that npm and node are the ones that Quern runs on.
 * @param named names of further variables that jobs may have (BUILD_ENV), taken from `environment`
 */
export function worldOf(environment: Readonly<Record<string, string>>, named: string[]): Record<string, string> {
  const { username, homedir } = account()
  const given = named.filter((name) => environment[name] !== undefined).map((name) => [name, environment[name]!])
  return {
    PATH: [dirname(process.execPath), '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':'),
    HOME: homedir,
    USER: username,
    LOGNAME: username,
    LANG: 'C.UTF-8',
    ...Object.fromEntries(given),
  }
}

/** In a container a user id often has no entry in passwd. */
function account(): { username: string; homedir: string } {
  try {
    return userInfo()
  } catch {
    return { username: String(process.getuid?.()), homedir: '/' }
  }
}

/** Tells this home's processes and containers from another's; follows from where the home really is. */
export function homeId(home: string): string {
  return createHash('sha256').update(realpathSync(home)).digest('hex').slice(0, 12)
}
