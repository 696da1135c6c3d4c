import { createHash } from 'node:crypto'
import { parseRequest, RequestError } from '../model/request.ts'
import type { SeriesAnswer, SeriesEvent } from './answers.ts'
import { PatchworkError } from './http.ts'
import type { Line, SeriesState } from './journal.ts'
import { decide, flush, isExpired, isOnItsWay, known, note, now, readSeries, settle, togetherWithOthers, type Round } from './poll-round.ts'
import { seriesRequest } from './series-request.ts'
import { supersede } from './supersede.ts'
import { missingParts, readTitle } from './title.ts'

/** Hours within which an older version that begins after a newer one was overtaken by it, and is not a new beginning. */
const overtaking = 24

/** Decides about one event; returns the error where the series could not be read, which is then tried again later. */
export async function takeEvent(round: Round, event: SeriesEvent): Promise<PatchworkError | undefined> {
  const { id } = event.payload.series
  const before = round.journal.series(id)
  if (before !== undefined && isSettled(round, before)) return takeAgain(round, event, before)
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

/** Whether the decision about an event takes more than is known here. */
export function needsReading(round: Round, { date, payload }: SeriesEvent): boolean {
  const before = round.journal.series(payload.series.id)
  return !(before !== undefined && isSettled(round, before)) && !isExpired(round, date)
}

/** A late patch beyond the last one completes a series again: `[PATCH 4/3]`. What was tested stays tested. */
function takeAgain(round: Round, event: SeriesEvent, before: SeriesState): undefined {
  note(round, [{ at: now(round), event: known(event) }], before.series)
  decide(round, { decision: 'ignored', reason: `series ${before.series} was ${before.state} before; it has been completed again by a late patch` }, before.series)
}

/** Queues a series that is complete, and ends what is under way for an older version of it. */
export async function takeSeries(round: Round, answer: SeriesAnswer, event?: SeriesEvent): Promise<void> {
  const { id, version, total, patches } = answer
  const title = titleOf(answer)
  if (!isComplete(answer)) {
    const reason = `incomplete: ${missingOf(answer)}`
    return settle(round, { id, event, state: 'waiting', decision: 'waiting', reason, line: { version, ...(title !== undefined && { title }) } })
  }
  if (patches.length === 0) return settle(round, { id, event, state: 'ignored', decision: 'ignored', reason: `the series says it has ${total} patches and shows none` })
  if (title !== undefined && isOnItsWay(round, { title })) await flush(round)
  const others = title === undefined ? [] : round.journal.ofTitle(title).filter(({ series }) => series !== id)
  const newer = others.filter((other) => isNewer(round, other, answer))
  // One that is not complete takes nobody's place yet, and must not lose its own.
  const overtook = newer.find(({ state }) => state === 'queued')
  if (overtook !== undefined) {
    return settle(round, { id, event, state: 'superseded', decision: 'ignored', reason: `superseded: version ${overtook.version ?? 1} of it, series ${overtook.series}, came before`, line: { version } })
  }
  for (const other of others) if (!newer.includes(other)) await supersedeOlder(round, other, answer)
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
  const enqueued = togetherWithOthers(round).then(() => Promise.all(requests.map((request) => queue.enqueue({ ...request, received }))))
  const line = enqueued.then((results): Line[] => {
    for (const [index, { entry, duplicate }] of results.entries()) {
      const { hook, delivery, repository, ref, commit_id } = requests[index]!
      const reason = duplicate ? 'it was queued before' : `series ${answer.id} is complete`
      round.ledger.decide({ decision: duplicate ? 'duplicate' : 'queued', reason, event: 'series-completed', entry, hook, delivery, repository, ref, commit_id })
    }
    decide(round, { decision: 'queued', reason: `the series is complete: ${results.map(({ entry }) => entry).join(', ')}`, event: 'series-completed' }, answer.id)
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

/** Who goes back wants what has expired, too. */
function isSettled({ since }: Round, { state }: SeriesState): boolean {
  return state === 'queued' || state === 'superseded' || state === 'ignored' || (state === 'expired' && since === undefined)
}

/** Whether the server says that all parts are there, and shows them: it can say so while the last one is being saved. */
export function isComplete({ received_all: all, total, patches }: SeriesAnswer): boolean {
  return all && patches.length >= total
}

export function missingOf({ patches, total }: SeriesAnswer): string {
  const missing = missingParts(patches.map(({ name }) => name), total)
  return missing.length > 0 ? `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing` : `${patches.length} of ${total} patches are there`
}

/** Series are numbered as their first mails come, so one with a higher number was begun later, whenever this one was completed. */
function isNewer(round: Round, other: SeriesState, { id, version }: SeriesAnswer): boolean {
  const { version: its = 1, series, at } = other
  if (its !== version) return its > version && (series > id || round.now() - Date.parse(at) < overtaking * 3_600_000)
  return series > id
}

/** The same for all versions and resends by one author: a hash, since the journal need not repeat what people wrote. */
function titleOf({ name, patches, submitter }: SeriesAnswer): string | undefined {
  const { text } = readTitle(name || (patches[0]?.name ?? ''))
  return text === '' ? undefined : createHash('sha256').update(`${submitter.email.toLowerCase()}\n${text}`).digest('hex').slice(0, 24)
}
