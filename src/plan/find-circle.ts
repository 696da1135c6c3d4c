/** Something that waits for others by their names. */
interface Waiting {
  name: string
  needs: string[]
}

/** Names that need each other in a circle, the first again at the end; undefined where there is none. Every need exists. */
export function findCircle(all: Waiting[]): string[] | undefined {
  const left = thatNeverStart(all)
  let next = left.keys().next().value
  const path: string[] = []
  while (next !== undefined && !path.includes(next)) {
    path.push(next)
    next = left.get(next)!.find((need) => left.has(need))
  }
  return next === undefined ? undefined : [...path.slice(path.indexOf(next)), next]
}

/** What is left when, one after the other, everything is taken away whose needs are all gone. */
function thatNeverStart(all: Waiting[]): Map<string, string[]> {
  const left = new Map(all.map(({ name, needs }) => [name, needs]))
  const missing = new Map(all.map(({ name, needs }) => [name, new Set(needs).size]))
  const dependents = new Map<string, string[]>(all.map(({ name }) => [name, []]))
  for (const { name, needs } of all) for (const need of new Set(needs)) dependents.get(need)?.push(name)
  const free = all.filter(({ needs }) => needs.length === 0).map(({ name }) => name)
  for (const name of free) {
    left.delete(name)
    for (const dependent of dependents.get(name)!) {
      const count = missing.get(dependent)! - 1
      missing.set(dependent, count)
      if (count === 0) free.push(dependent)
    }
  }
  return left
}
