import { accessSync, constants, existsSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../../disk/read.ts'
import { homeDirectories } from '../home-directories.ts'
import { ok, warning, wrong, type Check } from './check.ts'
import { checkOwner } from './owner.ts'

/** Bytes free: below the first nothing works for long, below the second it is time to look. */
const least = 100 * 1024 ** 2
const enough = 1024 ** 3

/** Places that entries and reports are linked and renamed between. */
const oneFileSystem = ['queue', 'queue/tmp', 'queue/claimed', 'ledger', 'builds', 'outbox']

/** What keeps this user from looking into the home at all. */
export function checkEntry(home: string): Check | undefined {
  try {
    orMissing(() => statSync(join(home, 'queue')))
    return undefined
  } catch (error) {
    return wrong('home', (error as Error).message, 'call doctor as the user that cron and the receiver run as, or name another home by QUERN_HOME')
  }
}

export function checkDisk(home: string): Check[] {
  if (!existsSync(join(home, 'queue'))) return [wrong('home', `${home} is no Quern home: it has no queue/`, 'make one with quern init, or name another by QUERN_HOME')]
  return [checkDirectories(home), ...checkOwner(home), checkFileSystem(home), checkSpace(home), checkClock(home)]
}

function checkDirectories(home: string): Check {
  const problems = homeDirectories.map((name) => problemOf(join(home, name))).filter((problem) => problem !== undefined)
  if (problems.length === 0) return ok('directories', `all there and writable in ${home}`)
  const [owner, caller] = [statSync(home).uid, process.getuid?.()]
  if (caller !== 0 && owner !== caller) return wrong('directories', problems.join('; '), `${home} belongs to user ${owner}, and you are ${caller}: call doctor as the user that cron and the receiver run as`)
  return wrong('directories', problems.join('; '), `give them to the user that cron and the receiver run as: chown -R ${owner} ${home}`)
}

/** A directory that is missing is no problem where it can be made. */
function problemOf(path: string): string | undefined {
  try {
    const there = orMissing(() => statSync(path))
    if (there === undefined) return problemOf(join(path, '..'))
    if (!there.isDirectory()) return `${path} is not a directory`
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function checkFileSystem(home: string): Check {
  const devices = oneFileSystem.flatMap((name) => {
    const stats = orMissing(() => statSync(join(home, name)))
    return stats === undefined ? [] : [{ name, device: stats.dev }]
  })
  const other = devices.filter(({ device }) => device !== devices[0]?.device).map(({ name }) => name)
  if (other.length === 0) return ok('file system', 'queue, ledger, builds and outbox share one')
  return wrong('file system', `${other.join(', ')} and queue are on different file systems: files cannot be linked and renamed between them`, 'keep queue/, ledger/, builds/ and outbox/ on one file system (cache/ may be elsewhere)')
}

function checkSpace(home: string): Check {
  const { bavail, bsize, files, ffree } = statfsSync(home)
  const free = bavail * bsize
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free${files > 0 ? `, ${ffree} files` : ''}`
  const remedy = `make room on the disk of ${home}; cache/ may be deleted when nothing is built, old builds/ always`
  if (free < least || (files > 0 && ffree < 1000)) return wrong('disk', found, remedy)
  return free < enough ? warning('disk', found, remedy) : ok('disk', found)
}

/** Times that lie ahead say that the clock was wrong then, or is wrong now; entries and reports are ordered by it. */
function checkClock(home: string): Check {
  const now = Date.now()
  const tick = orMissing(() => statSync(join(home, 'logs/tick')))?.mtimeMs ?? 0
  const entries = orMissing(() => readdirSync(join(home, 'queue'))) ?? []
  const newest = entries.reduce((latest, name) => Math.max(latest, secondOf(name) * 1000), tick)
  if (now < Date.UTC(2024)) return wrong('clock', `it is ${new Date(now).toISOString()}`, 'set it: timedatectl set-ntp true')
  if (newest > now + 60_000) return warning('clock', `it is ${new Date(now).toISOString()}, but something here is from ${new Date(newest).toISOString()}`, 'set it: timedatectl set-ntp true')
  return ok('clock', new Date(now).toISOString())
}

function secondOf(name: string): number {
  return Number(/^(\d{10})\.\d{6}-/.exec(name)?.[1] ?? 0)
}
