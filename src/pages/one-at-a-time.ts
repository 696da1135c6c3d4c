/** Does the work when all that came before is done; undefined, and nothing is done, where too much waits already. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T> | undefined

/** Lets one work go on at a time, so that however many pages are asked for at once, deliveries are taken in between. */
export function openQueue(most: number): InTurn {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    if (waiting === most) return undefined
    waiting++
    const mine = last.then(work).finally(() => waiting--)
    last = mine.catch(() => undefined)
    return mine
  }
}
