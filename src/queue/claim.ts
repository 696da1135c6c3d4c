import { linkSync, renameSync, rmSync, unlinkSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { isCode, orMissing } from '../disk/read.ts'
import { syncDirectories } from '../disk/sync.ts'
import type { Request } from '../model/request.ts'
import { readNote, removeNote, replaceNote, writeFirstNote } from './claim-note.ts'
import { readEntry, readMark } from './entry.ts'
import { deliveryName, isOurs } from './names.ts'
import { locate, look } from './places.ts'
import type { Claim, Queue } from './queue.ts'
import { nameIn, type Room } from './room.ts'
import { setAside } from './set-aside.ts'
import type { Candidate, Waiting } from './waiting.ts'

/** Milliseconds that a file dropped in by hand may take to become whole. */
const patience = 60_000

type Assign = Parameters<Queue['claim']>[0]

/** Takes the oldest entry that can be taken; what cannot be is skipped, set aside or dropped on the way. */
export async function claimOldest(room: Room, waiting: Waiting, { assign, low }: { assign: Assign; low: boolean }): Promise<Claim | undefined> {
  for (const candidate of waiting.candidates(low)) {
    try {
      const claim = await take(room, candidate, assign)
      if (claim !== undefined) return claim
    } catch (error) {
      waiting.putBack(candidate)
      throw new Error(`claiming ${join(candidate.low ? room.places.low : room.places.waiting, candidate.name)}: ${(error as Error).message}`, { cause: error })
    }
  }
  return undefined
}

async function take(room: Room, { name, low }: Candidate, assign: Assign): Promise<Claim | undefined> {
  const { places } = room
  const place = low ? places.low : places.waiting
  const path = join(place, name)
  const stats = look(path)
  if (stats === undefined || !stats.isFile()) return undefined
  const read = readEntry(path, stats.size)
  if (read === undefined) return undefined
  if ('problem' in read) return setAsideWhenOld(room, path, name, stats, read.problem)
  if (isSettled(room, path, name, stats)) return undefined
  if (read.given === name && stats.nlink === 1 && isKnown(room, path, name, read.request)) return undefined
  const entry = usableName(room, name)
  if (orMissing(() => (renameSync(path, join(places.claimed, entry)), true)) === undefined) return undefined
  try {
    const claim = await mark(room, entry, read.request, low, assign)
    // Nothing would know this name again. Only now, or a power cut could leave the entry without any.
    if (entry !== name) await syncDirectories([place])
    return claim
  } catch (error) {
    renameSync(join(places.claimed, entry), path)
    throw error
  }
}

/**
 * Numbers the claim, and makes it and the number survive a power cut before any process is started. Where it was taken from
 * under the same name is not flushed: that name, if a power cut brings it back, is dropped when its turn comes.
 */
async function mark({ places }: Room, entry: string, request: Request, low: boolean, assign: Assign): Promise<Claim> {
  const before = readNote(places.claimed, entry)
  if (before !== undefined) {
    const note = { ...before, attempt: before.attempt + 1, low }
    // Flushes claimed/ too, and with it the rename before.
    replaceNote(places.claimed, entry, note)
    return { entry, request, build: { pipeline: note.pipeline, number: note.number }, attempt: note.attempt, deaths: note.deaths }
  }
  const build = assign(request)
  try {
    await Promise.all([writeFirstNote(places.claimed, entry, { ...build, attempt: 1, deaths: 0, low }), syncDirectories([places.claimed])])
  } catch (error) {
    removeNote(places.claimed, entry)
    throw error
  }
  return { entry, request, build, attempt: 1, deaths: 0 }
}

/** What is not whole yet gets time: somebody may be writing it. A time in the future counts as old, or the file would stay for ever. */
function setAsideWhenOld(room: Room, path: string, name: string, stats: Stats, problem: string): undefined {
  if (Math.abs(room.now() - stats.mtimeMs) >= patience) setAside(room, path, name, problem)
}

/** Whether the entry was claimed, built or set aside before, so that only its old name is here again (a power cut, a copy). It is dropped then. */
function isSettled({ places, ledger }: Room, path: string, name: string, stats: Stats): boolean {
  const where = [places.claimed, places.done, places.bad].find((place) => {
    const other = look(join(place, name))
    return other !== undefined && (other.ino === stats.ino || (isOurs(name) && place !== places.bad))
  })
  if (where === undefined) return false
  rmSync(path, { force: true })
  ledger.decide({ decision: 'duplicate', reason: `The entry is in ${where} already, so its old name in the queue was removed.`, entry: name })
  return true
}

/**
 * Whether another entry of the same delivery exists: then this one goes to done/. The queue's own entry of a delivery
 * has two links, unless a power cut took one: it is linked again now, before anything is built for it. (A copy that
 * somebody dropped in under another name is meant to be built.)
 */
function isKnown({ places, ledger, log }: Room, path: string, name: string, { hook, delivery }: Request): boolean {
  if (hook === undefined || delivery === undefined) return false
  const link = join(places.delivery, deliveryName(hook, delivery))
  try {
    linkSync(path, link)
    return false
  } catch (error) {
    // Linux lets nobody link another user's file; at worst a redelivery is then built again.
    if (isCode(error, 'EPERM')) {
      log?.warn({ err: error, entry: name }, 'could not link an entry to its delivery')
      return false
    }
    if (!isCode(error, 'EEXIST')) throw error
  }
  const winner = readMark(link)?.entry
  // The same entry, written anew by an editor or from a backup; or a link that leads nowhere.
  if (winner === undefined || winner === name || locate(places, winner) === undefined) {
    unlinkSync(link)
    linkSync(path, link)
    return false
  }
  renameSync(path, join(places.done, name))
  ledger.decide({ decision: 'duplicate', reason: `Its delivery made the entry ${winner} already.`, entry: name, hook, delivery })
  return true
}

/** A name from elsewhere that is taken, or that cannot stand in paths and mails, is replaced by one of ours. */
function usableName(room: Room, name: string): string {
  const { places, ledger } = room
  const entry = isOurs(name) ? name : nameIn(room, [places.done, places.bad, places.claimed], name)
  if (entry !== name) ledger.decide({ decision: 'renamed', reason: `It was dropped into the queue as ${JSON.stringify(name)}, a name that is taken or cannot be kept.`, entry })
  return entry
}
