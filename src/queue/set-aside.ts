import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readableLine } from '../model/readable.ts'
import { nameIn, type Room } from './room.ts'

/** Moves what cannot be built from a place of the queue to bad/, its reason beside it, and tells the ledger. Nothing is overwritten. */
export function setAside(room: Room, path: string, name: string, reason: string): void {
  const { places, ledger } = room
  const entry = nameIn(room, [places.bad], name)
  moveToBad(room, path, entry, reason)
  ledger.decide({ decision: 'bad', reason: `Set aside in queue/bad: ${reason}`, entry: name })
}

/** The reason comes first, so that no entry lies in bad/ without one. */
export function moveToBad({ places }: Room, path: string, entry: string, reason: string): void {
  writeFileSync(join(places.bad, `${entry}.reason`), `${readableLine(reason)}\n`)
  renameSync(path, join(places.bad, entry))
}
