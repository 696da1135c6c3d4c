/** Lets one at a time do something, for each key; whoever asked first goes first. */
export interface Turns {
  /** Resolves when it is this one's turn, with the call that ends it. */
  wait(key: string): Promise<() => void>
  /** Whether it is somebody's turn, so that one would have to wait. */
  isTaken(key: string): boolean
}

export function openTurns(): Turns {
  const last = new Map<string, Promise<void>>()
  return {
    async wait(key) {
      const before = last.get(key)
      let end = () => {}
      const mine = new Promise<void>((resolve) => (end = resolve))
      last.set(key, mine)
      void mine.then(() => last.get(key) === mine && last.delete(key))
      await before
      return end
    },
    isTaken: (key) => last.has(key),
  }
}
