import { renameSync } from 'node:fs'
import { join } from 'node:path'
import type { Ledger } from '../ledger/ledger.ts'
import type { Logger } from '../log/open-log.ts'
import { isFitting, isOurs } from './names.ts'
import { look, type Places } from './places.ts'

/** What the moves of the directory queue share. */
export interface Room {
  places: Places
  ledger: Ledger
  log: Logger | undefined
  nextName: () => string
  /** Milliseconds since 1970. */
  now: () => number
}

/** The name under which an entry can be kept in these places: its own, unless that is taken in one or would be read as something else. */
export function nameIn({ nextName }: Room, places: string[], name: string): string {
  return isFitting(name) && places.every((place) => look(join(place, name)) === undefined) ? name : nextName()
}

/** Before an entry comes back to its place: what somebody dropped in there under the same name meanwhile is another entry, and gets a name of ours. */
export function makeRoom({ ledger, nextName }: Room, place: string, name: string): void {
  const path = join(place, name)
  if (isOurs(name) || !look(path)?.isFile()) return
  const entry = nextName()
  renameSync(path, join(place, entry))
  ledger.decide({ decision: 'renamed', reason: `It was dropped into the queue as ${JSON.stringify(name)}, the name of an entry that came back.`, entry })
}
