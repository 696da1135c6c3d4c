import { readIfThere } from '../disk/read.ts'
import { join } from 'node:path'

/** Why a build is to end before its time: the builder stops (the entry is released), or somebody cancelled it. */
export interface Stop {
  readonly signal: AbortSignal
  released(): boolean
  cancelled(): boolean
  /** A sentence, where it was cancelled. */
  reason(): string | undefined
  /** Ends the watch. */
  close(): void
}

/** Milliseconds between two looks for the file `cancel` in a build's directory, which is how `quern cancel` reaches a running build. */
const interval = 500

export function watchForStop(directory: string, builderStops: AbortSignal): Stop {
  const controller = new AbortController()
  let cancelled: string | undefined
  const look = () => {
    cancelled ??= readIfThere(join(directory, 'cancel'))?.trim()
    if (cancelled !== undefined) controller.abort()
  }
  const timer = setInterval(look, interval)
  const stopNow = () => controller.abort()
  if (builderStops.aborted) stopNow()
  else builderStops.addEventListener('abort', stopNow, { once: true })
  return {
    signal: controller.signal,
    released: () => cancelled === undefined && builderStops.aborted,
    cancelled: () => cancelled !== undefined,
    reason: () => (cancelled === undefined ? undefined : cancelled || 'cancelled'),
    close() {
      clearInterval(timer)
      builderStops.removeEventListener('abort', stopNow)
    },
  }
}
