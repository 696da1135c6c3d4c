import type { BuildRecord } from '../record/build-record.ts'

/** A build's wait for the place in which its first run executes. */
export interface FirstPlace {
  /** One of its runs asks for a place. */
  ask(): void
  /** One of its runs has a place. */
  take(): void
  /** When it had one, where it was QUEUED until then: what it waited is not what it took. */
  taken(): string | undefined
  /** The attempt is over: a place that is given later changes its status no more. */
  close(): void
}

/** Milliseconds of waiting that are not worth telling. */
const patience = 1000

/** A build that is claimed, but waits for its group or for a slot, is QUEUED to whoever reads its status. */
export function openFirstPlace(record: BuildRecord): FirstPlace {
  let timer: NodeJS.Timeout | undefined
  let shown = false
  let taken = false
  let since: string | undefined
  return {
    ask() {
      if (!taken) timer ??= setTimeout(() => (shown = tell(record, 'QUEUED')), patience)
    },
    take() {
      taken = true
      clearTimeout(timer)
      if (!shown) return
      shown = false
      since = new Date().toISOString()
      tell(record, 'RUNNING')
    },
    taken: () => since,
    close() {
      taken = true
      shown = false
      clearTimeout(timer)
    },
  }
}

/** Where the disk is full, the build fails by what matters more. */
function tell(record: BuildRecord, status: 'QUEUED' | 'RUNNING'): boolean {
  try {
    record.setStatus(status)
    return true
  } catch {
    return false
  }
}
