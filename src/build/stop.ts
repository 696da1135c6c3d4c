import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'

/** Why a build is to end before its time: the builder stops (the entry is released), or somebody cancelled it. */
export interface Stop {
  readonly signal: AbortSignal
  /** Resolves when the signal is aborted: thousands may wait for it, where listeners would be compared with each other. */
  readonly aborted: Promise<void>
  released(): boolean
  cancelled(): boolean
  /** Ends the build; the first reason counts. */
  cancel(reason: string): void
  /** A sentence, where it was cancelled. */
  reason(): string | undefined
  /** Ends the watch. */
  close(): void
}

/** Milliseconds between two looks for the file `cancel` in a build's directory, which is how `quern cancel` reaches a running build. */
const interval = 500

export function watchForStop(directory: string, builderStops: AbortSignal): Stop {
  const controller = new AbortController()
  // Every run of the build and every build of the builder listens: many of them are no leak.
  setMaxListeners(0, controller.signal, builderStops)
  const aborted = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve(), { once: true }))
  let cancelled: string | undefined
  const cancel = (reason: string) => {
    cancelled ??= reason
    controller.abort()
  }
  const look = () => {
    const asked = readIfThere(join(directory, 'cancel'))?.trim()
    if (asked !== undefined) cancel(asked || 'cancelled')
  }
  // What was cancelled while it waited to be claimed again must not begin.
  look()
  const timer = setInterval(look, interval)
  const stopNow = () => controller.abort()
  if (builderStops.aborted) stopNow()
  else builderStops.addEventListener('abort', stopNow, { once: true })
  return {
    signal: controller.signal,
    aborted,
    released: () => cancelled === undefined && builderStops.aborted,
    cancelled: () => cancelled !== undefined,
    cancel,
    reason: () => cancelled,
    close() {
      clearInterval(timer)
      builderStops.removeEventListener('abort', stopNow)
    },
  }
}
