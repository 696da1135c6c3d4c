import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import { readIfThere } from '../disk/read.ts'
import { makeDirectory, writeAtomically } from '../disk/write.ts'
import type { Decision, Ledger } from '../ledger/ledger.ts'
import { parseRequest, RequestError } from '../model/request.ts'
import type { Queue } from '../queue/queue.ts'
import type { SeriesAnswer, SeriesEvent } from './answers.ts'
import type { EventCategory, PatchworkClient } from './client.ts'
import { PatchworkError } from './http.ts'
import { openJournal, type Journal, type Line, type SeriesState } from './journal.ts'
import { seriesRequest } from './series-request.ts'
import { hoursBetween, hoursSince, minutesBefore } from './server-date.ts'
import type { PatchworkSource } from './settings.ts'
import { sourceName } from './source-name.ts'
import { supersede } from './supersede.ts'
import { missingParts, readTitle } from './title.ts'

/** One project of one server, and what polling it needs. */
export interface PollOptions {
  source: PatchworkSource
  client: PatchworkClient
  /** The data directory. */
  home: string
  queue: Pick<Queue, 'enqueue' | 'drop' | 'list'>
  ledger: Pick<Ledger, 'decide'>
  /** The commit that the branch points to now; asked at most once, and only where something is to be built. */
  tip: () => Promise<string>
  /** Go back to this date of the server (inclusive), whatever has expired since. */
  since?: string | undefined
  /** Our clock, in milliseconds. */
  now?: () => number
}

/** What a poll found. */
export interface Polled {
  /** Nothing was asked: another process polls this project, or the server has asked to be left alone. */
  skipped?: string
  /** Events that had not been seen before. */
  events: number
  queued: number
  superseded: number
  /** Series that are not complete yet. */
  waiting: number
  /** Given up: incomplete, expired, gone or not to be built. */
  ignored: number
}

interface Round extends Required<Pick<PollOptions, 'source' | 'client' | 'home' | 'queue' | 'ledger' | 'tip' | 'now'>> {
  since: string | undefined
  journal: Journal
  polled: Polled
  /** The newest event's date on the server. */
  newest: string | undefined
  batch: Batch
}

/** Lines on their way to the journal: what they tell is being made durable, many at once. */
interface Batch {
  lines: Promise<Line[]>[]
  series: Set<number>
  titles: Set<string>
}

/** Minutes that are asked for once more: under parallel delivery an event can become visible after newer ones. */
const overlap = 15

/** Minutes between two looks for series that never complete. */
const scanEvery = 10

/** Hours within which an older version that comes after a newer one was overtaken by it, and is not a new beginning. */
const overtaking = 24

/** Series in a row that cannot be read; then the server is out of order rather than one of its series. */
const patience = 3

/** Seconds: a longer wish to be left alone is remembered from poll to poll. */
const longPause = 30

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
    if (now() < until) return { ...polled, skipped: `the server asked to be left alone until ${new Date(until).toISOString()}` }
    const journal = openJournal(join(directory, `${name}.jsonl`))
    return await respectfully(pause, now, () => pollOnce({ ...options, since: options.since, now, journal, polled, newest: undefined, batch: emptyBatch() }))
  } finally {
    lock.release()
  }
}

/** Remembers a long Retry-After, so that the next ticks of cron heed it too. */
async function respectfully<T>(pause: string, now: () => number, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof PatchworkError && (error.retryAfter ?? 0) > longPause) writeAtomically(pause, String(now() + error.retryAfter! * 1000))
    throw error
  }
}

async function pollOnce(round: Round): Promise<Polled> {
  const first = round.journal.last('started') === undefined
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
    const newest = await client.newest(category)
    if (newest === undefined) continue
    for await (const page of client.events(category, minutesBefore(newest.date, overlap))) {
      lines.push(...page.map((event) => ({ at, event: known(event), ...(category === 'series-completed' && { series: event.payload.series.id, state: 'before' as const }) })))
    }
  }
  journal.append([...lines, { at, did: 'started' }])
}

async function takeNews(round: Round): Promise<void> {
  for await (const page of eventsOf(round, 'series-completed')) {
    round.newest ??= page.length < 250 ? page.at(-1)?.date : (await round.client.newest('series-completed'))?.date
    await takeCompleted(round, page)
  }
  const at = new Date(round.now()).toISOString()
  if (round.journal.last('started') === undefined) round.journal.append([{ at, did: 'started' }])
  if (round.since !== undefined || round.now() - (round.journal.last('scanned') ?? 0) >= scanEvery * 60_000) await scanAnnounced(round)
  await lookAtOpen(round)
}

function eventsOf({ client, journal, since }: Round, category: EventCategory): AsyncGenerator<SeriesEvent[]> {
  const newest = journal.newest(category)
  return client.events(category, since ?? (newest === undefined ? undefined : minutesBefore(newest, overlap)))
}

/** Reads the series of the events one after the other, while entries of earlier ones are being made durable. */
async function takeCompleted(round: Round, page: SeriesEvent[]): Promise<void> {
  let failures = 0
  for (const event of page) {
    if (isSeen(round, event)) continue
    round.polled.events += 1
    if (round.batch.series.has(event.payload.series.id)) await flush(round)
    const problem = await takeEvent(round, event)
    failures = problem === undefined ? 0 : failures + 1
    if (failures === patience) throw problem
  }
  await flush(round)
}

function isSeen({ journal, since }: Round, event: SeriesEvent): boolean {
  if (!journal.hasEvent(event.id)) return false
  return since === undefined || journal.series(event.payload.series.id)?.state !== 'before'
}

/** Decides about one event; returns the error where the series could not be read, which is then tried again later. */
async function takeEvent(round: Round, event: SeriesEvent): Promise<PatchworkError | undefined> {
  const { id } = event.payload.series
  const before = round.journal.series(id)
  if (before !== undefined && isSettled(before)) return takeAgain(round, event, before)
  if (isExpired(round, event.date)) {
    settle(round, { id, event, state: 'expired', decision: 'ignored', reason: `expired: the series was completed more than ${round.source.expire_after} hours before it was seen` })
    return undefined
  }
  const answer = await readSeries(round, id)
  if (answer instanceof PatchworkError) {
    settle(round, { id, event, state: 'waiting', decision: 'waiting', reason: answer.message })
    return answer
  }
  await takeSeries(round, answer, event)
  return undefined
}

/** A late patch beyond the last one completes a series again: `[PATCH 4/3]`. What was tested stays tested. */
function takeAgain(round: Round, event: SeriesEvent, before: SeriesState): undefined {
  note(round, [{ at: now(round), event: known(event) }], before.series)
  decide(round, { decision: 'ignored', reason: `series ${before.series} was ${before.state} before; it has been completed again by a late patch` }, before.series)
}

async function takeSeries(round: Round, answer: SeriesAnswer, event?: SeriesEvent): Promise<void> {
  const { id, version, total, patches } = answer
  const title = titleOf(answer)
  if (!isComplete(answer)) {
    const reason = `incomplete: ${missingOf(answer)}`
    return settle(round, { id, event, state: 'waiting', decision: 'waiting', reason, line: { version, ...(title !== undefined && { title }) } })
  }
  if (patches.length === 0) return settle(round, { id, event, state: 'ignored', decision: 'ignored', reason: `the series says it has ${total} patches and shows none` })
  if (title !== undefined && round.batch.titles.has(title)) await flush(round)
  const other = title === undefined ? undefined : round.journal.ofTitle(title)
  if (other !== undefined && other.series !== id && isOvertaken(round, answer, other)) {
    return settle(round, { id, event, state: 'superseded', decision: 'ignored', reason: `superseded: version ${other.version ?? 1} of it, series ${other.series}, came before`, line: { version } })
  }
  if (other !== undefined && other.series !== id) await supersedeOlder(round, other, answer)
  await enqueue(round, answer, { title, event })
}

async function supersedeOlder(round: Round, older: SeriesState, { id, version }: SeriesAnswer): Promise<void> {
  const entries = Object.values(older.entries ?? {})
  const { dropped, cancelled } = await supersede({ server: round.client.server, id: older.series, entries }, { by: id, version }, round)
  const reason = `superseded by version ${version}, series ${id}`
  for (const entry of dropped) decide(round, { decision: 'ignored', reason, entry }, older.series)
  for (const entry of cancelled) decide(round, { decision: 'cancelled', reason, entry }, older.series)
  if (entries.length === 0) decide(round, { decision: 'ignored', reason }, older.series)
  round.journal.append([{ at: now(round), series: older.series, state: 'superseded' }])
  round.polled.superseded += 1
}

async function enqueue(round: Round, answer: SeriesAnswer, { title, event }: { title: string | undefined; event: SeriesEvent | undefined }): Promise<void> {
  const { source, queue } = round
  const base = await round.tip()
  const requests = source.pipelines.map((pipeline) => seriesRequest(answer, { source, pipeline, base }))
  const fault = faultOf(requests)
  if (fault !== undefined) return settle(round, { id: answer.id, event, state: 'ignored', decision: 'ignored', reason: fault })
  const received = now(round)
  const enqueued = Promise.all(requests.map((request) => queue.enqueue({ ...request, received })))
  const line = enqueued.then((results): Line[] => {
    for (const [index, { entry, duplicate }] of results.entries()) {
      const { hook, delivery, repository, ref, commit_id } = requests[index]!
      const reason = duplicate ? 'it was queued before' : `series ${answer.id} is complete`
      round.ledger.decide({ decision: duplicate ? 'duplicate' : 'queued', reason, event: 'series-completed', entry, hook, delivery, repository, ref, commit_id })
    }
    const entries = Object.fromEntries(results.map(({ entry }, index) => [source.pipelines[index]!, entry]))
    return [{ at: received, ...(event && { event: known(event) }), series: answer.id, state: 'queued', version: answer.version, ...(title !== undefined && { title }), entries, patches: answer.patches.length }]
  })
  round.polled.queued += 1
  note(round, line, answer.id, title)
}

function faultOf(requests: unknown[]): string | undefined {
  try {
    for (const request of requests) parseRequest(request)
    return undefined
  } catch (error) {
    if (error instanceof RequestError) return `it makes no request that could be built: ${error.message}`
    throw error
  }
}

/** Remembers series of which a first mail is there: those that never complete are told by nothing else. */
async function scanAnnounced(round: Round): Promise<void> {
  for await (const page of eventsOf(round, 'series-created')) {
    const fresh = page.filter(({ id }) => !round.journal.hasEvent(id))
    const at = now(round)
    round.journal.append(
      fresh.map((event) => {
        const { id } = event.payload.series
        const isNews = round.journal.series(id) === undefined && !isExpired(round, event.date)
        return { at, event: known(event), ...(isNews && { series: id, state: 'announced' as const }) }
      }),
    )
  }
  round.journal.append([{ at: now(round), did: 'scanned' }])
}

/** Looks again at what was incomplete, and gives up what has been so for too long. */
async function lookAtOpen(round: Round): Promise<void> {
  let failures = 0
  for (const open of round.journal.open()) {
    const due = round.now() - Date.parse(open.at) >= round.source.incomplete_after * 60_000
    if (open.state === 'announced' && !due) continue
    const answer = await readSeries(round, open.series)
    if (answer instanceof PatchworkError) {
      failures += 1
      if (failures === patience) throw answer
      if (due && answer.status !== undefined && answer.status < 500) settle(round, { id: open.series, state: 'ignored', decision: 'ignored', reason: `it could not be read: ${answer.message}` })
    } else if (isComplete(answer)) {
      await takeSeries(round, answer)
    } else if (due) {
      settle(round, { id: open.series, state: 'incomplete', decision: 'ignored', reason: `incomplete: after ${round.source.incomplete_after} minutes ${missingOf(answer)}` })
    }
  }
  await flush(round)
}

async function readSeries({ client }: Round, id: number): Promise<SeriesAnswer | PatchworkError> {
  try {
    return await client.series(id)
  } catch (error) {
    if (error instanceof PatchworkError && (error.retryAfter ?? 0) <= longPause) return error
    throw error
  }
}

/** Decides about a series and has it remembered. */
function settle(round: Round, { id, event, state, decision, reason, line = {} }: { id: number; event?: SeriesEvent | undefined; state: SeriesState['state']; decision: string; reason: string; line?: Partial<Line> }): void {
  if (decision === 'ignored') round.polled.ignored += 1
  decide(round, { decision, reason, ...(event && { event: event.category }) }, id)
  note(round, [{ at: now(round), ...(event && { event: known(event) }), series: id, state, ...line }], id, line.title)
}

function decide({ source, client, ledger }: Round, decision: Decision, series: number): void {
  ledger.decide({ ...decision, hook: `patchwork:${source.project}`, delivery: decision.delivery ?? `${client.server.replace(/^https?:\/\//, '')}/${series}` })
}

function note({ batch }: Round, lines: Line[] | Promise<Line[]>, series: number, title?: string): void {
  const promise = Promise.resolve(lines)
  // Its failure is told by flush; until then it must not count as forgotten.
  promise.catch(() => undefined)
  batch.lines.push(promise)
  batch.series.add(series)
  if (title !== undefined) batch.titles.add(title)
}

/** Waits until everything on its way is durable, then remembers it. */
async function flush(round: Round): Promise<void> {
  const lines = (await Promise.all(round.batch.lines)).flat()
  round.batch = emptyBatch()
  round.journal.append(lines)
}

function emptyBatch(): Batch {
  return { lines: [], series: new Set(), titles: new Set() }
}

function isSettled({ state }: SeriesState): boolean {
  return state === 'queued' || state === 'superseded' || state === 'expired' || state === 'ignored'
}

/** Whether the server says that all parts are there, and shows them: it can say so while the last one is being saved. */
function isComplete({ received_all: all, total, patches }: SeriesAnswer): boolean {
  return all && patches.length >= total
}

function missingOf({ patches, total }: SeriesAnswer): string {
  const missing = missingParts(patches.map(({ name }) => name), total)
  return missing.length > 0 ? `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing` : `${patches.length} of ${total} patches are there`
}

/** Measured by the server's clock against its newest event, and by ours against what no time zone can explain. */
function isExpired({ since, newest, source, now: clock }: Round, date: string): boolean {
  if (since !== undefined) return false
  return (newest !== undefined && hoursBetween(date, newest) > source.expire_after) || hoursSince(date, clock()) > source.expire_after
}

function isOvertaken(round: Round, { version }: SeriesAnswer, other: SeriesState): boolean {
  return (other.version ?? 1) > version && round.now() - Date.parse(other.at) < overtaking * 3_600_000
}

/** The same for all versions and resends by one author: a hash, since the journal need not repeat what people wrote. */
function titleOf({ name, patches, submitter }: SeriesAnswer): string | undefined {
  const { text } = readTitle(name || (patches[0]?.name ?? ''))
  return text === '' ? undefined : createHash('sha256').update(`${submitter.email.toLowerCase()}\n${text}`).digest('hex').slice(0, 24)
}

function known({ id, category, date }: SeriesEvent): NonNullable<Line['event']> {
  return { id, category, date }
}

function now(round: Round): string {
  return new Date(round.now()).toISOString()
}
