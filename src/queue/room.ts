import { join } from 'node:path'
import type { Ledger } from '../ledger/ledger.ts'
import type { Logger } from '../log/open-log.ts'
import { isFitting } from './names.ts'
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
