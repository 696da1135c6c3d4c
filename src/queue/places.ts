import { lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { makeDurably } from '../disk/write.ts'

/** Where an entry can be. */
export interface Places {
  waiting: string
  low: string
  tmp: string
  claimed: string
  bad: string
  done: string
  /** One hard link for each known delivery. */
  delivery: string
}

/** The places of a home, made where missing, durably: an entry cannot outlive a power cut that its directory did not. */
export function openPlaces(home: string): Places {
  const waiting = join(home, 'queue')
  const places = {
    waiting,
    low: join(waiting, 'low'),
    tmp: join(waiting, 'tmp'),
    claimed: join(waiting, 'claimed'),
    bad: join(waiting, 'bad'),
    done: join(home, 'ledger', 'done'),
    delivery: join(home, 'ledger', 'delivery'),
  }
  for (const place of Object.values(places)) makeDurably(place)
  return places
}

/**
 * The place that an entry is in, or undefined. Looks in the order in which entries move, and twice, since a release
 * moves one backwards: an entry that moves meanwhile is still met.
 */
export function locate(places: Places, entry: string): string | undefined {
  const { tmp, waiting, low, claimed, bad, done } = places
  const order = [tmp, waiting, low, claimed, bad, done]
  return [...order, ...order].find((place) => look(join(place, entry)) !== undefined)
}

/** What is at the path itself, a link not followed; undefined where nothing is. */
export function look(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}
