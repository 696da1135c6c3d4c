import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { noteEnding, readNote } from './claim-note.ts'
import { readEntry } from './entry.ts'
import { compareNames, isFitting } from './names.ts'
import { look, type Places } from './places.ts'
import type { Listed } from './queue.ts'
import { listNames } from './waiting.ts'

/** Bytes of a name; the file system refuses to look for a longer one. */
const longestName = 255

/** What is claimed, what waits, what waits in low/ and what is bad, each oldest first. A released entry waits with the build whose number it keeps. */
export function listEntries(places: Places): Listed[] {
  const inClaimed = readdirSync(places.claimed)
  // Among 200,000 that wait hardly one was released: names are compared, so that no file is looked for in vain.
  const noted = new Set(inClaimed)
  const inOrder = (state: Listed['state'], names: string[]) =>
    names.sort(compareNames).flatMap((entry) => entryIn(places, state, { entry, noted: noted.has(`${entry}${noteEnding}`) }) ?? [])
  return [
    ...inOrder('claimed', inClaimed.filter(isFitting)),
    ...inOrder('waiting', listNames(places.waiting)),
    ...inOrder('low', listNames(places.low)),
    ...inOrder('bad', readdirSync(places.bad).filter(isFitting)),
  ]
}

/** An entry that is not decided. Looks in the order in which entries move, and twice, since a release moves one backwards. */
export function findEntry(places: Places, entry: string): Listed | undefined {
  if (entry !== basename(entry) || entry.startsWith('.') || Buffer.byteLength(entry) > longestName) return undefined
  for (const state of ['waiting', 'low', 'claimed', 'bad', 'waiting', 'low', 'claimed'] as const) {
    const found = entryIn(places, state, { entry, noted: true })
    if (found !== undefined) return found
  }
  return undefined
}

/** @param named.noted whether there may be a note of the build that it is claimed for */
export function entryIn(places: Places, state: Listed['state'], { entry, noted }: { entry: string; noted: boolean }): Listed | undefined {
  const path = join(places[state], entry)
  const stats = look(path)
  const read = stats?.isFile() ? readEntry(path, stats.size) : undefined
  if (read === undefined) return undefined
  const note = noted && state !== 'bad' ? readNote(places.claimed, entry) : undefined
  const reason = reasonOf('problem' in read ? read.problem : undefined, state === 'bad' ? path : undefined)
  return {
    entry,
    state,
    ...('request' in read && { request: read.request }),
    ...(note && { build: { pipeline: note.pipeline, number: note.number } }),
    ...(reason && { reason }),
  }
}

/** Why there is no request: as it was kept beside an entry that was set aside, at `bad`, or as its file is now. */
function reasonOf(problem: string | undefined, bad: string | undefined): string | undefined {
  if (bad !== undefined) return readIfThere(`${bad}.reason`)?.trim() ?? problem
  return problem && `no request yet (${problem}); if it stays so, a builder sets it aside in queue/bad a minute after it was written`
}
