import { join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import { readIfThere } from '../disk/read.ts'
import { makeDirectory, writeAtomically } from '../disk/write.ts'
import type { SeriesEvent } from './answers.ts'
import type { EventCategory } from './client.ts'
import { PatchworkError } from './http.ts'
import { openJournal, type Line } from './journal.ts'
import { lookAtOpen, scanAnnounced } from './open-series.ts'
import { beginFlush, emptyBatch, failuresAfter, flush, isOnItsWay, known, longPause, readAhead, type Polled, type PollOptions, type Round } from './poll-round.ts'
import { latestDate, minutesBefore } from './server-date.ts'
import { sourceName } from './source-name.ts'
import { needsReading, takeEvent } from './take-series.ts'

/**
 * Minutes that are asked for once more: under parallel delivery an event can become visible after newer ones, and when
 * summer time ends, the server's clock goes through one hour a second time.
 */
const overlap = 75

/** Series that are read at once, at most; the source's pace holds for all of them. */
const together = 4

/** Milliseconds for which a server is left alone at most, whatever it asks for: a proxy in front of it may ask for years. */
const longestRest = 3_600_000

/** Minutes between two looks for series that never complete. */
const scanEvery = 10

/**
 * Asks a Patchwork project what has been completed since the last time and enqueues one entry a series and pipeline.
 * The first poll starts at the newest event and enqueues nothing. What was seen is remembered only after it is durable,
 * so a poll that dies anywhere is made good by the next one.
 * @throws {PatchworkError} where the server cannot be asked or knows no such project
 */
export async function poll(options: PollOptions): Promise<Polled> {
  const { source, home, now = Date.now } = options
  const directory = makeDirectory(join(home, 'ledger/patchwork'))
  const name = sourceName(source.url, source.project)
  const lock = takeLock(join(directory, `${name}.lock`))
  const polled: Polled = { events: 0, queued: 0, superseded: 0, waiting: 0, ignored: 0 }
  if (lock === undefined) return { ...polled, skipped: 'another process polls it' }
  try {
    const pause = join(directory, `${name}.pause`)
    const until = Number(readIfThere(pause) ?? 0)
    // One that is longer was written by a clock that was wrong.
    if (now() < until && until <= now() + longestRest) return { ...polled, skipped: `the server asked to be left alone until ${new Date(until).toISOString()}` }
    const journal = openJournal(join(directory, `${name}.jsonl`))
    const round: Round = { ...options, since: options.since, now, journal, polled, newest: undefined, batch: emptyBatch(), writing: undefined, ahead: new Map() }
    return await respectfully(pause, now, () => pollOnce(round).finally(() => settled(round)))
  } finally {
    lock.release()
  }
}

/** Whatever happened: what was decided is remembered, or the next poll would come no further; and nothing is left to run on beside it. */
async function settled(round: Round): Promise<void> {
  await flush(round).catch(() => undefined)
}

/** Remembers a long Retry-After, so that the next ticks of cron heed it too. */
async function respectfully<T>(pause: string, now: () => number, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PatchworkError && (error.retryAfter ?? 0) > longPause) writeAtomically(pause, String(now() + Math.min(error.retryAfter! * 1000, longestRest)))
    throw error
  }
}

async function pollOnce(round: Round): Promise<Polled> {
  // One that was told to go back and did not get to its end is no first one: it is gone on with.
  const first = round.journal.last('started') === undefined && round.journal.newest('series-completed') === undefined
  if (first && !(await round.client.hasProject())) {
    throw new PatchworkError(`${round.client.server} has no project ${JSON.stringify(round.source.project)}; write its link name, as in the address /project/<name>/list/`, {})
  }
  if (first && round.since === undefined) await startHere(round)
  else await takeNews(round)
  round.polled.waiting = round.journal.open().filter(({ state }) => state === 'waiting').length
  return round.polled
}

/** What is there already is not for us; only the last minutes are remembered, since that much is asked for again. */
async function startHere({ client, journal, now }: Round): Promise<void> {
  const lines: Line[] = []
  const at = new Date(now()).toISOString()
  for (const category of ['series-completed', 'series-created'] as const) {
    // From one that is dated ahead of all clocks, nothing would be seen until then.
    const newest = (await client.newest(category, latestDate(now()))) ?? (await client.newest(category))
    if (newest === undefined) continue
    for await (const page of client.events(category, minutesBefore(newest.date, overlap))) {
      lines.push(...page.map((event) => ({ at, event: known(event), ...(category === 'series-completed' && { series: event.payload.series.id, state: 'before' as const }) })))
    }
  }
  journal.append([...lines, { at, did: 'started' }])
}

async function takeNews(round: Round): Promise<void> {
  for await (const page of eventsOf(round, 'series-completed')) {
    round.newest ??= await newestDate(round, page)
    await takeCompleted(round, page)
  }
  await flush(round)
  const at = new Date(round.now()).toISOString()
  if (round.journal.last('started') === undefined) round.journal.append([{ at, did: 'started' }])
  // One that is to come was noted while the clock was wrong.
  if (round.since !== undefined || Math.abs(round.now() - (round.journal.last('scanned') ?? 0)) >= scanEvery * 60_000) await scanAnnounced(round, eventsOf(round, 'series-created'))
  await lookAtOpen(round)
}

/** What is dated ahead of all clocks would make everything else look long past. */
async function newestDate({ client, now }: Round, page: SeriesEvent[]): Promise<string | undefined> {
  const last = page.length < 250 ? undefined : await client.newest('series-completed')
  const dates = [...page, ...(last === undefined ? [] : [last])].map(({ date }) => date)
  return dates.findLast((date) => date <= latestDate(now())) ?? dates.at(-1)
}

function eventsOf({ client, journal, since, now }: Round, category: EventCategory): AsyncGenerator<SeriesEvent[]> {
  const newest = journal.newest(category, latestDate(now()))
  return client.events(category, since ?? (newest === undefined ? undefined : minutesBefore(newest, overlap)))
}

/** Reads the series of the events one after the other, while entries of earlier ones are being made durable. */
async function takeCompleted(round: Round, page: SeriesEvent[]): Promise<void> {
  let failures = 0
  const news = page.filter((event) => !isSeen(round, event))
  for (const [index, event] of news.entries()) {
    for (const soon of news.slice(index, index + together)) if (needsReading(round, soon)) readAhead(round, soon.payload.series.id)
    if (isOnItsWay(round, { series: event.payload.series.id })) await flush(round)
    // A page that moved shows an event a second time.
    if (isSeen(round, event)) continue
    round.polled.events += 1
    failures = failuresAfter(failures, await takeEvent(round, event))
  }
  await beginFlush(round)
}

function isSeen({ journal, since }: Round, event: SeriesEvent): boolean {
  if (!journal.hasEvent(event.id)) return false
  const state = journal.series(event.payload.series.id)?.state
  return since === undefined || (state !== 'before' && state !== 'expired')
}
