import { existsSync, lstatSync, readdirSync, renameSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runProgram } from '../../disk/program.ts'
import { orMissing } from '../../disk/read.ts'
import { removeAll } from '../../disk/remove.ts'
import { withLock } from '../../disk/with-lock.ts'
import { makeDirectory } from '../../disk/write.ts'

/*
 * Installed packages of pipelines, each a node_modules under cache/helpers/<lane>/<name>; its time is that of its last use.
 * Whoever copies one or takes one away holds cache/helpers/.lock.
 */

/** Installations that are kept in a lane, the last ones used: strangers who may install can change their lock file as often as they like. */
const most = 100

/** What the name of one begins with that is being removed. */
const doomed = '.pruned-'

/** Copies the first of these that is there. @returns whether there was one */
export async function takeHelpers(home: string, kept: string[], target: string): Promise<boolean> {
  if (!kept.some((path) => existsSync(path))) return false
  return locked(home, async () => {
    const found = kept.find((path) => existsSync(path))
    if (found === undefined) return false
    utimesSync(found, new Date(), new Date())
    await removeAll(target)
    await runProgram('cp', ['-a', '--', found, target])
    return true
  })
}

/** Keeps an installation. Another build may have been first; what it installed is the same. */
export async function keepHelpers(home: string, installed: string, path: string): Promise<void> {
  const lane = makeDirectory(dirname(path))
  await retire(home, () => {
    if (!existsSync(path)) renameSync(installed, path)
    utimesSync(path, new Date(), new Date())
    return newestFirst(lane).slice(most)
  })
}

/** Removes the installations that were last used before a time. Returns how many. @param before milliseconds since 1970 */
export async function pruneHelpers(home: string, { before, dryRun }: { before: number; dryRun: boolean }): Promise<number> {
  const unused = () => lanes(home).flatMap(newestFirst).filter((path) => lstatSync(path).mtimeMs < before)
  return dryRun || namesIn(directoryOf(home)).length === 0 ? unused().length : retire(home, unused)
}

/** Takes these away at once, and removes them when nobody waits for it, with what a dead process left of such. */
async function retire(home: string, choose: () => string[]): Promise<number> {
  const count = await locked(home, async () => {
    const chosen = choose()
    for (const path of chosen) renameSync(path, join(directoryOf(home), `${doomed}${path.split('/').at(-1)!}-${process.pid}`))
    return chosen.length
  })
  for (const name of namesIn(directoryOf(home))) if (name.startsWith(doomed)) await removeAll(join(directoryOf(home), name))
  return count
}

function lanes(home: string): string[] {
  return ['trusted', 'untrusted'].map((lane) => join(directoryOf(home), lane))
}

function newestFirst(lane: string): string[] {
  const found = namesIn(lane).map((name) => ({ path: join(lane, name), used: lstatSync(join(lane, name)).mtimeMs }))
  return found.sort((one, other) => other.used - one.used).map(({ path }) => path)
}

function namesIn(directory: string): string[] {
  return orMissing(() => readdirSync(directory)) ?? []
}

function locked<T>(home: string, work: () => Promise<T>): Promise<T> {
  return withLock(join(makeDirectory(directoryOf(home)), '.lock'), undefined, work)
}

function directoryOf(home: string): string {
  return join(home, 'cache/helpers')
}
