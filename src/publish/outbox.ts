import { join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { isDue } from '../model/due.ts'
import { readableLine } from '../model/readable.ts'
import type { Outcome, Publisher, Report } from './publisher.ts'
import { readReport, readReports } from './report-file.ts'
import { keyOf, openShelves, type Waiting } from './shelves.ts'

/** Reports that wait for their publisher, in `<home>/outbox/`. */
export interface Outbox {
  /** Links the reports that the build wrote into the outbox, unless they are there, dead or sent already. Once it returns they would survive a power cut. Returns how many wait. */
  handOver(buildDirectory: string): number
  /** Tries every report that is due, oldest due first. Returns undefined at once where another process delivers. Never rejects for one report. `now` is in milliseconds. */
  deliverDue(publishers: Readonly<Record<string, Publisher>>, now?: number): Promise<Delivered | undefined>
}

interface Delivered {
  sent: number
  later: number
  dead: number
  /** What went wrong with single reports on our side, like a full disk; they stay and are tried again. For the log. */
  problems: string[]
  /** The second when the next report is due, or undefined where none waits. */
  nextDue: number | undefined
}

/** Seconds. */
const oldest = 5 * 24 * 60 * 60
const shortestWait = 60
const longestWait = 4 * 60 * 60

/** After so many reports in a row that a publisher put off, its others to that receiver wait for the next tick: it is down, and each try may take a minute. */
const patience = 3

interface Round {
  publishers: Readonly<Record<string, Publisher>>
  now: number
  delivered: Delivered
}

/**
 * Opens the outbox of a home. Decisions about reports go to the ledger. A crash between a publisher's word and the move that
 * keeps it sends again (at least once), with the same Message-ID. Whoever delivers looks first whether a report is done, so a
 * name that comes back into the outbox sends nothing.
 */
export function openOutbox(home: string, ledger: Pick<Ledger, 'decide'>): Outbox {
  const shelves = openShelves(home)
  return { handOver, deliverDue }

  function handOver(buildDirectory: string): number {
    const waiting = new Set(shelves.list().map(({ key }) => key))
    const undone = readReports(buildDirectory).filter((report) => !shelves.isDone(report, keyOf(report)))
    for (const report of undone) {
      if (!waiting.has(keyOf(report))) shelves.add(report, join(buildDirectory, 'reports', `${report.id}.json`))
    }
    if (undone.length > 0) shelves.flush()
    return undone.length
  }

  async function deliverDue(publishers: Readonly<Record<string, Publisher>>, now = Date.now()): Promise<Delivered | undefined> {
    const delivered: Delivered = { sent: 0, later: 0, dead: 0, problems: [], nextDue: undefined }
    if (due(now).length > 0) {
      const lock = takeLock(join(home, 'outbox/.lock'))
      if (lock === undefined) return undefined
      try {
        await Promise.all(groupByReceiver(due(now), publishers).map((group) => deliverGroup(group, { publishers, now, delivered })))
      } finally {
        lock.release()
      }
    }
    return { ...delivered, nextDue: shelves.list()[0]?.due }
  }

  /** What one publisher carries to one receiver, one after the other; the groups do not wait for each other. */
  async function deliverGroup(group: Waiting[], round: Round): Promise<void> {
    let putOff = 0
    for (const waiting of group) {
      if (putOff === patience) return
      try {
        const moved = await deliver(waiting, round)
        if (moved !== undefined) round.delivered[moved]++
        putOff = moved === 'later' ? putOff + 1 : 0
      } catch (error) {
        round.delivered.problems.push(`moving outbox/${waiting.name}: ${(error as Error).message}`)
      }
    }
  }

  async function deliver(waiting: Waiting, { publishers, now }: Round): Promise<'sent' | 'later' | 'dead' | undefined> {
    const report = readReport(shelves.pathOf(waiting))
    if (report === undefined) return undefined
    if (typeof report === 'string') return bury(waiting, report)
    if (shelves.isDone(report, waiting.key)) {
      shelves.drop(waiting)
      return undefined
    }
    shelves.prepare(report)
    const outcome = await publish(publishers, report)
    const age = (now - Date.parse(report.created)) / 1000
    if (outcome.kind === 'refused') return bury(waiting, `${report.publisher} refused it: ${outcome.reason}`, report)
    if (outcome.kind === 'later' && age >= oldest) return bury(waiting, `not accepted within five days, last: ${outcome.reason}`, report)
    if (outcome.kind === 'later') {
      shelves.putOffUntil(waiting, Math.ceil(now / 1000 + Math.min(Math.max(age, shortestWait), longestWait)))
      return 'later'
    }
    if (outcome.kind === 'dropped') ledger.decide({ decision: 'dropped', reason: `report ${report.id}: ${readableLine(outcome.reason)}`, build: report.build })
    shelves.keepAsSent(waiting, report)
    return 'sent'
  }

  function bury(waiting: Waiting, reason: string, report?: Report): 'dead' {
    ledger.decide({ decision: 'undeliverable', reason: `report ${report?.id ?? waiting.name}: ${readableLine(reason)}`, build: report?.build })
    shelves.bury(waiting, reason)
    return 'dead'
  }

  /** In the order of each receiver's oldest report. What cannot be read is a group of its own. */
  function groupByReceiver(waiting: Waiting[], publishers: Round['publishers']): Waiting[][] {
    const groups = new Map<string, Waiting[]>()
    for (const one of waiting) {
      const report = readReport(shelves.pathOf(one))
      const name = typeof report === 'object' ? `${report.publisher} ${publishers[report.publisher]?.receiver?.(report) ?? ''}` : ''
      groups.set(name, [...(groups.get(name) ?? []), one])
    }
    return [...groups.values()]
  }

  function due(now: number): Waiting[] {
    return shelves.list().filter((waiting) => isDue(waiting.due, now / 1000))
  }
}

async function publish(publishers: Readonly<Record<string, Publisher>>, report: Report): Promise<Outcome> {
  const publisher = publishers[report.publisher]
  if (publisher === undefined) return { kind: 'later', reason: `no publisher "${report.publisher}" is configured` }
  try {
    return await publisher.publish(report)
  } catch (error) {
    return { kind: 'later', reason: `${report.publisher} broke: ${(error as Error).message}` }
  }
}
