import type { SeriesEvent } from './answers.ts'
import { isForeign, isPassing, PatchworkError } from './http.ts'
import { failuresAfter, flush, isExpired, known, now, readSeries, settle, type Round } from './poll-round.ts'
import { isComplete, missingOf, takeSeries } from './take-series.ts'

/** Remembers series of which a first mail is there: those that never complete are told by nothing else. */
export async function scanAnnounced(round: Round, events: AsyncGenerator<SeriesEvent[]>): Promise<void> {
  for await (const page of events) {
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
export async function lookAtOpen(round: Round): Promise<void> {
  let failures = 0
  for (const open of round.journal.open()) {
    const age = round.now() - Date.parse(open.at)
    const due = age >= round.source.incomplete_after * 60_000
    if (open.state === 'announced' && !due) continue
    const answer = await readSeries(round, open.series)
    failures = failuresAfter(failures, answer instanceof PatchworkError ? answer : undefined)
    if (answer instanceof PatchworkError) {
      // A server whose events can be read all the while is in order, whatever it says of this series.
      const hopeless = due && (!(isPassing(answer) || isForeign(answer)) || age >= round.source.expire_after * 3_600_000)
      if (hopeless) settle(round, { id: open.series, state: 'ignored', decision: 'ignored', reason: `it could not be read: ${answer.message}` })
    } else if (isComplete(answer)) {
      await takeSeries(round, answer)
    } else if (due) {
      settle(round, { id: open.series, state: 'incomplete', decision: 'ignored', reason: `incomplete: after ${round.source.incomplete_after} minutes ${missingOf(answer)}` })
    }
  }
  await flush(round)
}
