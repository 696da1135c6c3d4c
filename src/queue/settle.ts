import { renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { syncDirectories } from '../disk/sync.ts'
import { notePath, readNote, removeNote, replaceNote, type ClaimNote } from './claim-note.ts'
import { look } from './places.ts'
import { StaleClaimError, type Claim } from './queue.ts'
import { makeRoom, nameIn, type Room } from './room.ts'
import { moveToBad } from './set-aside.ts'
import type { Candidate } from './waiting.ts'

/** Nothing is flushed: the build's terminal status was, and by it a claim that a power cut brings back is finished again. */
export function finishClaim({ places }: Room, claim: Claim): void {
  held(places.claimed, claim)
  renameSync(join(places.claimed, claim.entry), join(places.done, claim.entry))
  renameSync(notePath(places.claimed, claim.entry), notePath(places.done, claim.entry))
}

/** The note stays in claimed/, so that the next claim gives the same number. */
export function releaseClaim(room: Room, claim: Claim, died: boolean): Candidate {
  const { places } = room
  const note = held(places.claimed, claim)
  if (died) replaceNote(places.claimed, claim.entry, { ...note, deaths: note.deaths + 1 })
  const place = note.low ? places.low : places.waiting
  makeRoom(room, place, claim.entry)
  renameSync(join(places.claimed, claim.entry), join(place, claim.entry))
  return { name: claim.entry, low: note.low }
}

export function buryClaim(room: Room, claim: Claim, reason: string): void {
  const { claimed } = room.places
  held(claimed, claim)
  moveToBad(room, join(claimed, claim.entry), claim.entry, reason)
  removeNote(claimed, claim.entry)
}

/** Flushed, because nothing else says that the entry is decided. */
export async function dropWaiting(room: Room, entry: string): Promise<boolean> {
  const { places } = room
  if (entry !== basename(entry) || entry.startsWith('.')) return false
  for (const place of [places.waiting, places.low]) {
    if (!look(join(place, entry))?.isFile()) continue
    if (orMissing(() => (renameSync(join(place, entry), join(places.done, nameIn(room, [places.done], entry))), true)) === undefined) continue
    removeNote(places.claimed, entry)
    await syncDirectories([places.done, place])
    return true
  }
  return false
}

function held(claimed: string, claim: Claim): ClaimNote {
  const note = readNote(claimed, claim.entry)
  if (note === undefined || look(join(claimed, claim.entry)) === undefined) throw new StaleClaimError(claim, 'the entry is not claimed')
  if (note.attempt !== claim.attempt) throw new StaleClaimError(claim, `claim ${note.attempt} is`)
  return note
}
