import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { deliveryName } from './names.ts'
import { readEntry } from './entry.ts'
import { look, openPlaces } from './places.ts'

/**
 * Forgets entries that were decided long ago, and their deliveries: sent again after that, one would be built again.
 * A forge offers redelivery for some days only. Returns how many were forgotten.
 * @param before milliseconds since 1970
 */
export function pruneDecided(home: string, { before, dryRun }: { before: number; dryRun: boolean }): number {
  const places = openPlaces(home)
  const old = readdirSync(places.done).filter((name) => lstatSync(join(places.done, name)).mtimeMs < before)
  if (!dryRun) for (const name of old) forget(join(places.done, name), places.delivery)
  return old.length
}

/** The link goes first: a delivery whose entry is in no place would be taken for one that a power cut lost, and be built again. */
function forget(path: string, deliveries: string): void {
  const { size, ino } = lstatSync(path)
  const read = readEntry(path, size)
  if (read !== undefined && 'request' in read && read.request.hook !== undefined && read.request.delivery !== undefined) {
    const link = join(deliveries, deliveryName(read.request.hook, read.request.delivery))
    if (look(link)?.ino === ino) rmSync(link)
  }
  rmSync(path, { force: true })
}
