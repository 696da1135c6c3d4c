import { readdirSync, rmSync } from 'node:fs'
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
  const old = readdirSync(places.done).filter((name) => !name.endsWith(noteEnding) && isOlder(join(places.done, name), before))
  if (!dryRun) for (const name of old) forget(places, name)
  return old.length
}

/** Another prune may be at work. */
function isOlder(path: string, before: number): boolean {
  const found = look(path)
  return found !== undefined && found.mtimeMs < before
}

/** The link goes first: a delivery whose entry is in no place would be taken for one that a power cut lost, and be built again. */
function forget({ done, delivery }: Places, name: string): void {
  const path = join(done, name)
  const found = look(path)
  const read = found && readEntry(path, found.size)
  if (read !== undefined && 'request' in read && read.request.hook !== undefined && read.request.delivery !== undefined) {
    const link = join(delivery, deliveryName(read.request.hook, read.request.delivery))
    if (look(link)?.ino === found?.ino) rmSync(link, { force: true })
  }
  removeNote(done, name)
  rmSync(path, { force: true })
}
