import { openSlots } from './slots.ts'

/** Builds that are claimed beyond those that can execute: their claims are on disk and their records open when a slot gets free. One is not enough where a claim takes the disk longer than a build. */
const claimedAhead = 2

/** How many builds are claimed at once and how many runs execute at once. */
export interface Seats {
  /** Resolves when one more build may be claimed. */
  take(): Promise<Seat>
  /** Whether a build that is claimed now finds a slot. */
  canStart(): boolean
}

/** The place of one build among the claimed. */
export interface Seat {
  /** A build was claimed for it, and will want a slot. */
  occupy(): void
  /** Gives the right to execute one run. After the first one the seat is free, whatever runs are still to come. */
  takeSlot(): Promise<() => void>
  /** Lets another build be claimed in its stead. */
  leave(): void
}

export function openSeats(threads: number): Seats {
  const slots = openSlots(threads)
  const seats = openSlots(threads + claimedAhead)
  // Builds that will take a slot soon: none of their runs has had one, and they do not wait for a group. One that left its seat may still take slots.
  const starting = new Set<Seat>()
  return {
    canStart: () => slots.free() > starting.size,
    async take() {
      const give = await seats.take()
      const seat: Seat = {
        occupy: () => void starting.add(seat),
        async takeSlot() {
          const giveSlot = await slots.take()
          starting.delete(seat)
          return () => {
            giveSlot()
            seat.leave()
          }
        },
        leave() {
          starting.delete(seat)
          give()
        },
      }
      return seat
    },
  }
}
