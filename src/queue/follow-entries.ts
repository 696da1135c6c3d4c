import { lstatSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setImmediate as others } from 'node:timers/promises'
import { entryIn } from './list-entries.ts'
import { isFitting } from './names.ts'
import type { Places } from './places.ts'
import type { Follower, Listed } from './queue.ts'
import { isName } from './waiting.ts'

/** The places of entries that are not decided, in the order in which they move. */
const followed = ['waiting', 'low', 'claimed'] as const

/** Milliseconds of work after which others have their turn. */
const slice = 5

/** A directory that was changed less than this ago, in milliseconds, may change again and keep its time. */
const grain = 100

/** Nothing is read where no directory has changed, and no entry twice: of 200,000 that wait, a look that finds one more compares the names. */
export function followEntries(places: Places): Follower {
  const known = new Set<string>()
  let seen: string | undefined
  return {
    async look() {
      const time = timeOf(places)
      if (time !== undefined && time === seen) return { came: [], gone: [] }
      const there = await namesIn(places)
      const gone: string[] = []
      const came: Listed[] = []
      await inTurns(known, (name) => there.has(name) || gone.push(name))
      for (const name of gone) known.delete(name)
      await inTurns(there, ([entry, state]) => {
        const listed = known.has(entry) ? undefined : entryIn(places, state, { entry, noted: false })
        // What cannot be read (yet) is tried again.
        if (listed?.request === undefined) return
        known.add(entry)
        came.push(listed)
      })
      seen = time
      return { came, gone }
    },
  }
}

/** When the directories were last changed; undefined where that does not tell one change from the next. */
function timeOf(places: Places): string | undefined {
  const times = followed.map((state) => lstatSync(places[state]).mtimeMs)
  return Math.abs(Date.now() - Math.max(...times)) < grain ? undefined : times.join()
}

/** Each with its state, the later one where it moved meanwhile. */
async function namesIn(places: Places): Promise<Map<string, Listed['state']>> {
  const there = new Map<string, Listed['state']>()
  for (const state of followed) {
    const isEntry = state === 'claimed' ? isFitting : isName
    await inTurns(await readdir(places[state]), (name) => isEntry(name) && there.set(name, state))
  }
  return there
}

async function inTurns<T>(all: Iterable<T>, work: (one: T) => void): Promise<void> {
  let start = performance.now()
  for (const one of all) {
    work(one)
    if (performance.now() - start < slice) continue
    await others()
    start = performance.now()
  }
}
