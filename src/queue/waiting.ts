import { readdirSync } from 'node:fs'
import { compareNames } from './names.ts'
import type { Places } from './places.ts'

export interface Candidate {
  name: string
  low: boolean
}

/** The names that wait, oldest first, kept in memory from claim to claim. */
export interface Waiting {
  /** What to try next, each name once a listing: queue/ first, then, where `low` says so, queue/low, after a fresh look at queue/ found nothing to take. */
  candidates(low: boolean): Generator<Candidate>
  /** An entry is back in its place. */
  putBack(candidate: Candidate): void
}

/**
 * A directory is listed again only when its last listing is used up: what arrives meanwhile is newer. So a claim costs
 * the same with ten entries and with 200,000.
 */
export function openWaiting(places: Places): Waiting {
  let high: string[] = []
  let low: string[] = []

  return {
    *candidates(withLow) {
      yield* drain(high, false)
      high = listNewestFirst(places.waiting)
      yield* drain(high, false)
      if (!withLow) return
      yield* drain(low, true)
      low = listNewestFirst(places.low)
      yield* drain(low, true)
    },
    putBack(candidate) {
      insert(candidate.low ? low : high, candidate.name)
    },
  }
}

/** The names in a directory that can be entries: not hidden, not the queue's own directories. Whether one is a regular file is seen when it is taken. */
export function listNames(directory: string): string[] {
  return readdirSync(directory).filter(isName)
}

export function isName(name: string): boolean {
  return !name.startsWith('.') && !['low', 'tmp', 'claimed', 'bad'].includes(name)
}

function listNewestFirst(directory: string): string[] {
  return listNames(directory).sort((a, b) => compareNames(b, a))
}

function* drain(names: string[], low: boolean): Generator<Candidate> {
  for (let name = names.pop(); name !== undefined; name = names.pop()) yield { name, low }
}

function insert(newestFirst: string[], name: string): void {
  let [from, to] = [0, newestFirst.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (compareNames(newestFirst[middle]!, name) > 0) from = middle + 1
    else to = middle
  }
  newestFirst.splice(from, 0, name)
}
