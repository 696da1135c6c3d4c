import type { Claim } from '../queue/queue.ts'
import type { BuildRecord } from '../record/build-record.ts'
import type { Allowance } from './allowance.ts'
import type { FirstPlace } from './first-place.ts'
import type { Stop } from './stop.ts'
import type { Workshop } from './workshop.ts'

/** One attempt at the build of a claimed entry, as its steps hand it on. */
export interface Attempt {
  workshop: Workshop
  claim: Claim
  record: BuildRecord
  /** Gives the right to execute one run. */
  takeSlot: () => Promise<() => void>
  /** Lets another build be claimed in its stead: this one waits for others. */
  leaveSeat: () => void
  firstPlace: FirstPlace
  stop: Stop
  allowance: Allowance
}
