import type { Dated } from '../ledger/ledger.ts'
import { buildName } from '../model/build.ts'
import type { Report } from '../publish/publisher.ts'
import { waitingReports } from '../publish/shelves.ts'
import type { Listed } from '../queue/queue.ts'
import type { Home } from './open-home.ts'

/** Something that asked for a build, and all that was decided about it. */
export interface Event {
  entry?: string | undefined
  delivery?: string | undefined
  repository?: string | undefined
  ref?: string | undefined
  commit_id?: string | undefined
  /** The decision that holds. */
  current: { decision: string; reason: string }
  /** Oldest first. */
  history: Dated[]
  /** What is told about its builds, but was not taken by its publisher yet: a mail that was decided is not a mail that was sent. */
  unsent: { build: string; report: string; publisher: string }[]
}

/** Decisions that say what happened besides, and change nothing about the event. */
const besides = new Set(['duplicate', 'mailed', 'not mailed', 'blame', 'undeliverable', 'dropped'])

/** Decisions after which more is to come, as long as the entry is in the queue. */
const begun = new Set(['queued', 'renamed', 'building', 'released'])

/** Every event that names the commit, delivery, entry or build, oldest first. An entry that was dropped in by hand is one, too. */
export async function eventsAbout(home: Home, key: string): Promise<Event[]> {
  const listed = (await home.queue.list()).filter((one) => isAbout(one, key))
  const found = home.ledger.find(key)
  const keys = new Set([...found.map((decision) => keyOf(decision, found)), ...listed.map(({ entry }) => entry)])
  const known = decisionsOn(home, new Set([...keys].filter((one) => one !== undefined)))
  const reports = waitingReports(home.home)
  return [...known].map(([one, history]) => eventOf(home, { history, reports, listed: listed.find(({ entry }) => entry === one) }))
}

function isAbout({ entry, request, build }: Listed, key: string): boolean {
  if (entry === key || request?.delivery === key || (build !== undefined && buildName(build) === key)) return true
  return /^[0-9a-f]{7,64}$/i.test(key) && request?.commit_id.startsWith(key.toLowerCase()) === true
}

/** The entry that a decision is about, also where only another decision about the same delivery or build names it. */
function keyOf({ entry, delivery, build }: Dated, found: Dated[]): string | undefined {
  const sibling = found.find((other) => other.entry !== undefined && ((delivery !== undefined && other.delivery === delivery) || (build !== undefined && other.build === build)))
  return entry ?? sibling?.entry ?? delivery ?? build
}

/**
 * What was decided under each key, and about the builds and deliveries that these decisions name, as the ledger has it: by
 * the times a clock that stepped back would have its end come first. A commit may have a build each night: the ledger is
 * read twice for all of them.
 */
function decisionsOn({ ledger }: Home, keys: Set<string>): Map<string, Dated[]> {
  const own = byName(ledger.findNamed(keys))
  const further = [...own.values()].flat().flatMap(furtherNames)
  const all = ledger.findNamed(new Set([...keys, ...further]))
  const place = new Map(all.map((decision, index) => [decision, index]))
  const named = byName(all)
  return new Map([...keys].map((key) => [key, historyOf(key, named).toSorted((one, other) => place.get(one)! - place.get(other)!)]))
}

function historyOf(key: string, named: Map<string, Dated[]>): Dated[] {
  const own = named.get(key) ?? []
  const further = new Set(own.flatMap(furtherNames).filter((name) => name !== key))
  const all = [...own, ...[...further].flatMap((name) => (named.get(name) ?? []).filter(({ entry }) => entry === undefined || entry === key))]
  return [...new Map(all.map((decision) => [JSON.stringify(decision), decision])).values()]
}

function furtherNames({ build, delivery }: Dated): string[] {
  return [build, delivery].filter((name) => name !== undefined)
}

/** Each decision under every name that it has. */
function byName(decisions: Dated[]): Map<string, Dated[]> {
  const named = new Map<string, Dated[]>()
  for (const decision of decisions) {
    for (const name of new Set([decision.entry, decision.delivery, decision.build])) {
      if (name === undefined) continue
      const list = named.get(name)
      if (list === undefined) named.set(name, [decision])
      else list.push(decision)
    }
  }
  return named
}

function eventOf(home: Home, { history, listed, reports }: { history: Dated[]; listed: Listed | undefined; reports: Report[] }): Event {
  const decisive = history.filter(({ decision }) => !besides.has(decision))
  // A clock that stepped back over midnight leaves the end of an entry in the file of the day before. A series is no entry: it becomes some.
  const ended = listed === undefined && decisive.at(-1)?.entry !== undefined ? decisive.findLast(({ decision }) => !begun.has(decision)) : undefined
  const last = ended ?? decisive.at(-1) ?? history.at(-1)
  const first = (name: 'entry' | 'delivery' | 'repository' | 'ref' | 'commit_id') => history.find((decision) => decision[name] !== undefined)?.[name]
  return {
    entry: first('entry') ?? listed?.entry,
    delivery: first('delivery') ?? listed?.request?.delivery,
    repository: first('repository') ?? listed?.request?.full_name ?? listed?.request?.repository,
    ref: first('ref') ?? listed?.request?.ref,
    commit_id: first('commit_id') ?? listed?.request?.commit_id,
    current: waitsClaimed(home, listed) ?? currentOf(last, listed),
    history,
    unsent: unsentOf(reports, new Set(history.map(({ build }) => build))),
  }
}

function unsentOf(reports: Report[], builds: Set<string | undefined>): Event['unsent'] {
  return reports.filter(({ build }) => builds.has(build)).map(({ build, id, publisher }) => ({ build, report: id, publisher }))
}

/** A build that was begun, but whose first run has no place yet, is not built meanwhile. */
function waitsClaimed({ records }: Home, listed: Listed | undefined): Event['current'] | undefined {
  if (listed?.state !== 'claimed' || listed.build === undefined || records.status(listed.build) !== 'QUEUED') return undefined
  return { decision: 'claimed', reason: `it is claimed as ${buildName(listed.build)}, which waits for a free slot or for its group` }
}

/** Where the entry is says more than the last decision about it: it may be a released one, or one that came by hand. */
function currentOf(last: Dated | undefined, listed: Listed | undefined): Event['current'] {
  if (listed?.state === 'waiting' || listed?.state === 'low') {
    if (listed.reason !== undefined) return { decision: 'waiting', reason: listed.reason }
    const where = listed.state === 'low' ? 'it waits in queue/low until queue/ is empty' : 'it waits in the queue; the next tick claims the oldest first'
    return { decision: 'waiting', reason: last === undefined || last.decision === 'queued' ? where : `${where} (${last.decision}: ${last.reason})` }
  }
  if (listed?.state === 'bad') return { decision: 'bad', reason: `set aside in queue/bad: ${listed.reason ?? 'unreadable'}` }
  if (last !== undefined) return { decision: last.decision, reason: last.reason }
  return { decision: 'building', reason: 'a builder has claimed it' }
}
