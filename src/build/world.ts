import { createHash, randomUUID } from 'node:crypto'
import { linkSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { isCode, readIfThere } from '../disk/read.ts'
import { makeDirectory } from '../disk/write.ts'

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

/**
 * Tells this home's processes and containers from another's, which may lie at the same path of another machine or container
 * and drive the same engine. It is kept in the cache, which no copy of a home takes along.
 */
export function homeId(home: string): string {
  return idWith(home, ownWord(home))
}

/** The same for who only looks, and makes nothing where there may be no home. */
export function knownHomeId(home: string): string {
  return idWith(home, readIfThere(wordFile(home)))
}

function idWith(home: string, word: string | undefined): string {
  return word === undefined ? formerHomeId(home) : digest(`${realpathSync(home)}\n${word}`)
}

function wordFile(home: string): string {
  return join(home, 'cache', 'id')
}

/** The id that earlier versions gave it: what they left carries that one. */
export function formerHomeId(home: string): string {
  return digest(realpathSync(home))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** A word of this home alone; a home that cannot be written has none. */
function ownWord(home: string): string | undefined {
  const path = wordFile(home)
  const known = readIfThere(path)
  if (known !== undefined) return known
  const made = join(dirname(path), `.id.${randomUUID()}`)
  try {
    makeDirectory(dirname(path))
    // One that a power cut emptied would be shared with all others.
    writeFileSync(made, randomUUID(), { flush: true })
    // Of two that make one at once the first one's counts.
    linkSync(made, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) return undefined
  } finally {
    rmSync(made, { force: true })
  }
  return readFileSync(path, 'utf8')
}
