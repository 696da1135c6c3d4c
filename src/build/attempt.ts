import type { Claim } from '../queue/queue.ts'
import type { BuildRecord } from '../record/build-record.ts'
import type { Allowance } from './allowance.ts'
import type { Stop } from './stop.ts'
import type { Workshop } from './workshop.ts'

/** One attempt at the build of a claimed entry, as its steps hand it on. */
export interface Attempt {
  workshop: Workshop
  claim: Claim
  record: BuildRecord
  /** Gives the right to execute one run; the first one of a build comes with its claim. */
  takeSlot: () => Promise<() => void>
  /** Gives back the slot that came with the claim, if no run has taken it: the build waits for others. */
  leaveSlot: () => void
  stop: Stop
  allowance: Allowance
}
