import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { noteEnding, removeNote } from './claim-note.ts'
import { readEntry } from './entry.ts'
import { deliveryName } from './names.ts'
import { look, openPlaces, type Places } from './places.ts'

/**
 * Forgets entries that were decided long ago, and their deliveries: sent again after that, one would be built again.
 * A forge offers redelivery for some days only. Returns how many were forgotten.
 * @param before milliseconds since 1970
 */
export function pruneDecided(home: string, { before, dryRun }: { before: number; dryRun: boolean }): number {
  const places = openPlaces(home)
  const old = readdirSync(places.done).filter((name) => !name.endsWith(noteEnding) && lstatSync(join(places.done, name)).mtimeMs < before)
  if (!dryRun) for (const name of old) forget(places, name)
  return old.length
}

/** The link goes first: a delivery whose entry is in no place would be taken for one that a power cut lost, and be built again. */
function forget({ done, delivery }: Places, name: string): void {
  const path = join(done, name)
  const { size, ino } = lstatSync(path)
  const read = readEntry(path, size)
  if (read !== undefined && 'request' in read && read.request.hook !== undefined && read.request.delivery !== undefined) {
    const link = join(delivery, deliveryName(read.request.hook, read.request.delivery))
    if (look(link)?.ino === ino) rmSync(link)
  }
  removeNote(done, name)
  rmSync(path, { force: true })
}
