import type { Decision, Ledger } from '../ledger/ledger.ts'
import type { SeriesAnswer, SeriesEvent } from './answers.ts'
import type { PatchworkClient } from './client.ts'
import { PatchworkError } from './http.ts'
import type { Journal, Line, SeriesState } from './journal.ts'
import type { SeriesQueue } from './series-queue.ts'
import { hoursBetween, hoursSince } from './server-date.ts'
import type { PatchworkSource } from './settings.ts'

/** One project of one server, and what polling it needs. */
export interface PollOptions {
  source: PatchworkSource
  client: PatchworkClient
  /** The data directory. */
  home: string
  queue: SeriesQueue
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

export interface Round extends Required<Pick<PollOptions, 'source' | 'client' | 'home' | 'queue' | 'ledger' | 'tip' | 'now'>> {
  since: string | undefined
  journal: Journal
  polled: Polled
  /** The newest event's date on the server. */
  newest: string | undefined
  batch: Batch
  /** The batch before, while it is being made durable and remembered. */
  writing: { batch: Batch; done: Promise<void> } | undefined
  /** Series that are being read before their turn comes. */
  ahead: Map<number, Promise<SeriesAnswer | PatchworkError>>
}

/** Lines on their way to the journal: what they tell is being made durable, many at once. */
interface Batch {
  lines: Promise<Line[]>[]
  /** Entries that wait for others, to share their flushes to the disk. */
  held: (() => void)[]
  series: Set<number>
  titles: Set<string>
}

/** Seconds: a longer wish to be left alone is remembered from poll to poll. */
export const longPause = 30

/** Series in a row that cannot be read; then the server is out of order rather than one of its series. */
const patience = 3

/** Counts on where a series could not be read. One that is not there any more says nothing against the server. @throws the problem, where it is the last straw */
export function failuresAfter(failures: number, problem: PatchworkError | undefined): number {
  if (problem === undefined || problem.status === 404) return 0
  if (failures + 1 === patience) throw problem
  return failures + 1
}

/** Decides about a series and has it remembered. */
export function settle(round: Round, { id, event, state, decision, reason, line = {} }: { id: number; event?: SeriesEvent | undefined; state: SeriesState['state']; decision: string; reason: string; line?: Partial<Line> }): void {
  if (decision === 'ignored') round.polled.ignored += 1
  decide(round, { decision, reason, ...(event && { event: event.category }) }, id)
  note(round, [{ at: now(round), ...(event && { event: known(event) }), series: id, state, ...line }], id, line.title)
}

export function decide({ source, client, ledger }: Round, decision: Decision, series: number): void {
  ledger.decide({ ...decision, hook: `patchwork:${source.project}`, delivery: decision.delivery ?? `${client.server.replace(/^https?:\/\//, '')}/${series}` })
}

/** Puts lines on their way to the journal. */
export function note({ batch }: Round, lines: Line[] | Promise<Line[]>, series: number, title?: string): void {
  const promise = Promise.resolve(lines)
  // Its failure is told by flush; until then it must not count as forgotten.
  promise.catch(() => undefined)
  batch.lines.push(promise)
  batch.series.add(series)
  if (title !== undefined) batch.titles.add(title)
}

/** Entries that are made durable at once: one by one takes ten times as long. */
const shared = 250

/** Resolves when enough entries are there to share the flushes to the disk, or no more come. */
export function togetherWithOthers({ batch }: Round): Promise<void> {
  const turn = new Promise<void>((resolve) => {
    batch.held.push(resolve)
  })
  if (batch.held.length >= shared) release(batch)
  return turn
}

function release(batch: Batch): void {
  for (const resolve of batch.held.splice(0)) resolve()
}

/** Begins to make durable and remember what is on its way, while further series are read; one batch at a time. */
export async function beginFlush(round: Round): Promise<void> {
  await round.writing?.done
  const { batch, journal } = round
  release(batch)
  const done = Promise.all(batch.lines).then((lines) => journal.append(lines.flat()))
  // Its failure is told by whoever waits for it next.
  done.catch(() => undefined)
  round.writing = { batch, done }
  round.batch = emptyBatch()
}

/** Waits until everything on its way is durable and remembered. */
export async function flush(round: Round): Promise<void> {
  await beginFlush(round)
  await round.writing?.done
  round.writing = undefined
}

/** Whether something about the series, or about its title, is on its way. */
export function isOnItsWay({ batch, writing }: Round, { series, title }: { series?: number; title?: string }): boolean {
  return [batch, writing?.batch].some((one) => (series !== undefined && one?.series.has(series)) || (title !== undefined && one?.titles.has(title)))
}

/** Nothing on its way. */
export function emptyBatch(): Batch {
  return { lines: [], held: [], series: new Set(), titles: new Set() }
}

/** The series, or why it cannot be read now. @throws {PatchworkError} where the server wants to be left alone */
export function readSeries(round: Round, id: number): Promise<SeriesAnswer | PatchworkError> {
  const begun = round.ahead.get(id)
  round.ahead.delete(id)
  return begun ?? ask(round, id)
}

/** Begins to read a series that will be needed soon: the server answers while entries are written here. */
export function readAhead(round: Round, id: number): void {
  if (round.ahead.has(id)) return
  const answer = ask(round, id)
  // Its failure is told when its turn comes; until then it must not count as forgotten.
  answer.catch(() => undefined)
  round.ahead.set(id, answer)
}

async function ask({ client }: Round, id: number): Promise<SeriesAnswer | PatchworkError> {
  try {
    return await client.series(id)
  } catch (error) {
    if (error instanceof PatchworkError && (error.retryAfter ?? 0) <= longPause) return error
    throw error
  }
}

/** Measured by the server's clock against its newest event, and by ours against what no time zone can explain. */
export function isExpired({ since, newest, source, now: clock }: Round, date: string): boolean {
  if (since !== undefined) return false
  return (newest !== undefined && hoursBetween(date, newest) > source.expire_after) || hoursSince(date, clock()) > source.expire_after
}

export function known({ id, category, date }: SeriesEvent): NonNullable<Line['event']> {
  return { id, category, date }
}

export function now(round: Round): string {
  return new Date(round.now()).toISOString()
}
