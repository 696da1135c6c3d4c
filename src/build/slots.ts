/** How many runs may execute at once, over all builds; whoever asked first is served first. */
export interface Slots {
  /** Resolves when a slot is free, with the call that gives it back. */
  take(): Promise<() => void>
  /** How many would be given at once. */
  free(): number
}

export function openSlots(count: number): Slots {
  let free = count
  const waiting: (() => void)[] = []
  const give = () => {
    const next = waiting.shift()
    if (next) next()
    else free++
  }
  return {
    async take() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
      return once(give)
    },
    free: () => free,
  }
}

function once(call: () => void): () => void {
  let called = false
  return () => {
    if (called) return
    called = true
    call()
  }
}
