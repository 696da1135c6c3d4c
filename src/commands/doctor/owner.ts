import { accessSync, constants, lstatSync, readdirSync, statSync, type Dirent, type Stats } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../../disk/read.ts'
import { shellWord } from '../cron-line.ts'
import { counted, ok, wrong, type Check } from './check.ts'

/** Where Quern writes, and how many levels of directories below it makes one by one: whoever has one of these has what is in it. */
const places: readonly [string, number][] = [
  ['queue', 1],
  ['outbox', 1],
  ['ledger', 1],
  ['builds', 2],
  ['cache', 4],
  ['logs', 0],
]

/** What is in them is not looked at: trees that runs leave, of whatever user, and packages with the modes of their makers. */
const foreign = ['cache/work', 'cache/helpers']

/** Where files are written on. Others are read, renamed and removed, which asks nothing of who has them. */
const grown = ['logs', 'ledger', 'ledger/patchwork', 'builds', 'cache/git']

/** What is closed to the user to whom the home belongs: a command of root made it, or a copy that root unpacked. */
export function checkOwner(home: string): Check[] {
  const owner = statSync(home).uid
  const caller = process.getuid?.()
  // Root may write everywhere; what is in the way of somebody else is not seen by a third.
  if (owner === 0 || (caller !== owner && caller !== 0)) return []
  const closed = places.flatMap(([place, levels]) => closedIn(home, place, levels, owner))
  const [first] = closed
  if (first === undefined) return [ok('owner', `user ${owner} may write what Quern keeps`)]
  return [wrong('owner', `user ${owner}, to whom the home belongs, cannot write ${counted(closed.length, 'file or directory', 'files and directories')} of it, like ${first.path}, which belongs to user ${first.uid}`, first.uid === owner ? `chmod -R u+rwX ${shellWord(first.path)}` : `give it back, as root: chown -R ${owner} ${shellWord(home)}`)]
}

interface Closed {
  path: string
  uid: number
}

function closedIn(home: string, place: string, levels: number, owner: number): Closed[] {
  const path = join(home, place)
  const stats = orMissing(() => statSync(path))
  if (!stats?.isDirectory()) return []
  const closed = mayWrite(path, stats, owner) ? [] : [{ path, uid: stats.uid }]
  if (foreign.includes(place)) return closed
  return [...closed, ...entriesOf(path).flatMap((entry) => {
    const name = `${place}/${entry.name}`
    if (entry.isDirectory()) return levels === 0 ? [] : closedIn(home, name, levels - 1, owner)
    return isGrown(place, entry) ? closedFile(join(home, name), owner) : []
  })]
}

function isGrown(place: string, entry: Dirent): boolean {
  return entry.isFile() && (grown.includes(place) || entry.name === '.lock')
}

function closedFile(path: string, owner: number): Closed[] {
  const stats = orMissing(() => lstatSync(path))
  return stats === undefined || mayWrite(path, stats, owner) ? [] : [{ path, uid: stats.uid }]
}

/** Whether the owner of the home may: asked of the system, or by root, who may always, read from the mode. */
function mayWrite(path: string, stats: Stats, owner: number): boolean {
  const needed = stats.isDirectory() ? 0o7 : 0o6
  if (process.getuid?.() === 0) return ((stats.uid === owner ? stats.mode >> 6 : stats.mode) & needed) === needed
  try {
    accessSync(path, constants.R_OK | constants.W_OK | (stats.isDirectory() ? constants.X_OK : 0))
    return true
  } catch {
    return false
  }
}

/** Nothing of a directory that cannot be read: it is told itself. */
function entriesOf(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch {
    return []
  }
}
