import type { Ledger } from '../ledger/ledger.ts'
import type { Logger } from '../log/open-log.ts'
import type { Places } from './places.ts'

/** What the moves of the directory queue share. */
export interface Room {
  places: Places
  ledger: Ledger
  log: Logger | undefined
  nextName: () => string
  /** Milliseconds since 1970. */
  now: () => number
}
