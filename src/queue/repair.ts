import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { noteEnding, readNote, removeNote, type ClaimNote } from './claim-note.ts'
import { readEntry, readMark } from './entry.ts'
import { compareNames, isOurs } from './names.ts'
import { look } from './places.ts'
import type { Claim } from './queue.ts'
import { makeRoom, type Room } from './room.ts'
import { moveToBad } from './set-aside.ts'

/** Milliseconds after which a file in tmp/ that no delivery is linked to cannot be in the making any more. */
const abandoned = 3600_000

/** Completes or takes back every move that a crash cut short; what a dead builder had claimed is returned, oldest first. */
export function repairQueue(room: Room): Claim[] {
  for (const name of readdirSync(room.places.tmp)) mendTemporary(room, name)
  const names = readdirSync(room.places.claimed)
  const claims = names.filter((name) => !name.startsWith('.') && !name.endsWith(noteEnding)).flatMap((entry) => mendClaimed(room, entry) ?? [])
  for (const name of names) mendNote(room, name)
  return claims.sort((a, b) => compareNames(a.entry, b.entry))
}

/** A delivery's link on it means that it may have been promised. A receiver may be at work on it, too, and be faster. */
function mendTemporary(room: Room, name: string): void {
  const { places, now, log } = room
  const path = join(places.tmp, name)
  const stats = look(path)
  if (stats === undefined || !stats.isFile()) return
  if (stats.nlink > 1) {
    const mark = orMissing(() => readMark(path))
    moveBack(room, path, name, mark?.low ? places.low : places.waiting)
    log?.info({ entry: name }, 'repaired: an entry was linked to its delivery, but not in the queue')
  } else if (Math.abs(now() - stats.mtimeMs) >= abandoned) {
    rmSync(path, { force: true })
    log?.info({ entry: name }, 'repaired: removed an entry that was never promised')
  }
}

function mendClaimed(room: Room, entry: string): Claim | undefined {
  const { places, log } = room
  const path = join(places.claimed, entry)
  const stats = look(path)
  if (stats === undefined || !stats.isFile()) return undefined
  const isSame = (place: string) => look(join(place, entry))?.ino === stats.ino
  if ([places.done, places.bad].some(isSame)) {
    rmSync(path, { force: true })
    return undefined
  }
  const note = readNote(places.claimed, entry)
  if (note === undefined) {
    moveBack(room, path, entry, isLow(path) ? places.low : places.waiting)
    log?.info({ entry }, 'repaired: an entry was claimed, but without a number')
    return undefined
  }
  for (const place of [places.waiting, places.low].filter(isSame)) rmSync(join(place, entry), { force: true })
  return claimOf(room, entry, stats.size, note)
}

/** What cannot be read is for the next claim to set aside, and stops no repair. */
function isLow(path: string): boolean {
  try {
    return readMark(path)?.low === true
  } catch {
    return false
  }
}

/** The claim as its dead holder had it; an entry that was damaged since is set aside. */
function claimOf(room: Room, entry: string, size: number, { pipeline, number, attempt, deaths }: ClaimNote): Claim | undefined {
  const path = join(room.places.claimed, entry)
  const read = readEntry(path, size)
  if (read === undefined) return undefined
  if ('request' in read) return { entry, request: read.request, build: { pipeline, number }, attempt, deaths }
  moveToBad(room, path, entry, read.problem)
  room.ledger.decide({ decision: 'bad', reason: `Set aside in queue/bad after it was claimed: ${read.problem}`, entry })
  return undefined
}

/** The note of a released entry is kept while it waits; a note without its entry, and what a write left behind, goes. */
function mendNote({ places }: Room, name: string): void {
  if (name.startsWith('.')) return rmSync(join(places.claimed, name), { force: true })
  if (!name.endsWith(noteEnding)) return
  const entry = name.slice(0, -noteEnding.length)
  if ([places.claimed, places.waiting, places.low].every((place) => look(join(place, entry)) === undefined)) removeNote(places.claimed, entry)
}

/** Where the entry is elsewhere already, only this name of it is too many. (A rename between two names of one file does nothing.) */
function moveBack(room: Room, path: string, entry: string, target: string): void {
  const { places } = room
  const inTmp = path.startsWith(places.tmp)
  const others = [places.waiting, places.low, ...(inTmp ? [places.claimed, places.bad, places.done] : [])]
  const own = look(path)?.ino
  const isIn = (place: string) => {
    const found = look(join(place, entry))
    return found !== undefined && (isOurs(entry) || found.ino === own)
  }
  if (others.some(isIn)) return rmSync(path, { force: true })
  makeRoom(room, target, entry)
  orMissing(() => renameSync(path, join(target, entry)))
}
