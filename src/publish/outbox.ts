/*
 * Reports on their way to their publishers, as links to the files that their builds wrote:
 *
 *   builds/<build>/reports/<id>.json      written and fsynced before the build is decided
 *   outbox/<due>-<key>.json               linked there by `handOver`; due in seconds, key from build and id
 *   outbox/<later>-<key>.json             renamed when its publisher asks for another try
 *   builds/<build>/sent/<id>.json         renamed when its publisher accepted it, or said that nobody wants it any more
 *   outbox/dead/<key>.json, .reason       renamed when it was refused, is too old or cannot be read
 *
 * A move is one rename, so a crash leaves a report where it was or where it goes. A crash between the publisher's word
 * and the rename sends again (at least once), with the same Message-ID. Whoever delivers looks into sent/ and dead/
 * first, so a name that comes back into the outbox beside them sends nothing.
 */
import { linkSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { isCode, orMissing } from '../disk/read.ts'
import { takeLock } from '../disk/lock.ts'
import { makeDirectory, syncDirectory, writeAtomically } from '../disk/write.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { readableLine } from '../model/readable.ts'
import type { Outcome, Publisher, Report } from './publisher.ts'
import { readReport, readReports } from './report-file.ts'

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

/** After so many reports in a row that a publisher put off, its others wait for the next tick: it is down, and each try may take a minute. */
const patience = 3

interface Waiting {
  name: string
  due: number
  key: string
}

interface Round {
  publishers: Readonly<Record<string, Publisher>>
  now: number
  delivered: Delivered
}

/** The reports that wait; what cannot be read is left out. */
export function waitingReports(home: string): Report[] {
  const directory = join(home, 'outbox')
  const names = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => /^\d+-.*\.json$/.test(name))
  return names.map((name) => readReport(join(directory, name))).filter((report) => typeof report === 'object')
}

/** Opens the outbox of a home. Decisions about reports go to the ledger. */
export function openOutbox(home: string, ledger: Pick<Ledger, 'decide'>): Outbox {
  const directory = makeDirectory(join(home, 'outbox'))
  const dead = makeDirectory(join(directory, 'dead'))
  return { handOver, deliverDue }

  function handOver(buildDirectory: string): number {
    const waiting = new Set(list().map(({ key }) => key))
    const undone = readReports(buildDirectory).filter((report) => !isDone(report, keyOf(report)))
    for (const report of undone) {
      const key = keyOf(report)
      if (!waiting.has(key)) linkOnce(join(buildDirectory, 'reports', `${report.id}.json`), join(directory, `${dueOf(report)}-${key}.json`))
    }
    if (undone.length > 0) syncDirectory(directory)
    return undone.length
  }

  async function deliverDue(publishers: Readonly<Record<string, Publisher>>, now = Date.now()): Promise<Delivered | undefined> {
    const delivered: Delivered = { sent: 0, later: 0, dead: 0, problems: [], nextDue: undefined }
    if (due(now).length > 0) {
      const lock = takeLock(join(directory, '.lock'))
      if (lock === undefined) return undefined
      try {
        await Promise.all(groupByPublisher(due(now)).map((group) => deliverGroup(group, { publishers, now, delivered })))
      } finally {
        lock.release()
      }
    }
    return { ...delivered, nextDue: list()[0]?.due }
  }

  /** One publisher's reports, one after the other; the groups do not wait for each other. */
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
    const report = readReport(join(directory, waiting.name))
    if (report === undefined) return undefined
    if (typeof report === 'string') return bury(waiting, report)
    if (isDone(report, waiting.key)) {
      rmSync(join(directory, waiting.name), { force: true })
      return undefined
    }
    // Made before the publisher is asked: what cannot be kept as sent would be sent with every tick.
    if (exists(buildPath(report))) makeDirectory(join(buildPath(report), 'sent'))
    const outcome = await publish(publishers, report)
    const age = Math.max(0, now - Date.parse(report.created)) / 1000
    if (outcome.kind === 'sent') return keepAsSent(waiting, report)
    if (outcome.kind === 'dropped') {
      ledger.decide({ decision: 'dropped', reason: `report ${report.id}: ${readableLine(outcome.reason)}`, build: report.build })
      return keepAsSent(waiting, report)
    }
    if (outcome.kind === 'refused') return bury(waiting, `${report.publisher} refused it: ${outcome.reason}`, report)
    if (age >= oldest) return bury(waiting, `not accepted within five days, last: ${outcome.reason}`, report)
    return putOffUntil(waiting, Math.ceil(now / 1000 + Math.min(Math.max(age, shortestWait), longestWait)))
  }

  /** Whatever happens here, the publisher has it: a report that cannot be kept as sent leaves the outbox all the same, or it would be sent with every tick. */
  function keepAsSent({ name }: Waiting, report: Report): 'sent' {
    const path = join(directory, name)
    try {
      // A pruned build has no place for it any more.
      if (exists(buildPath(report))) {
        move(path, sentPath(report))
        syncDirectory(join(buildPath(report), 'sent'))
      }
    } finally {
      rmSync(path, { force: true })
    }
    syncDirectory(directory)
    return 'sent'
  }

  function putOffUntil({ name, key }: Waiting, due: number): 'later' {
    move(join(directory, name), join(directory, `${due}-${key}.json`))
    return 'later'
  }

  function bury({ name, key }: Waiting, reason: string, report?: Report): 'dead' {
    ledger.decide({ decision: 'undeliverable', reason: `report ${report?.id ?? name}: ${readableLine(reason)}`, build: report?.build })
    move(join(directory, name), join(dead, `${key}.json`))
    writeAtomically(join(dead, `${key}.reason`), `${readableLine(reason)}\n`)
    syncDirectory(dead)
    return 'dead'
  }

  /** In the order of each publisher's oldest report. What cannot be read is a group of its own. */
  function groupByPublisher(waiting: Waiting[]): Waiting[][] {
    const groups = new Map<string, Waiting[]>()
    for (const one of waiting) {
      const report = readReport(join(directory, one.name))
      const publisher = typeof report === 'object' ? report.publisher : ''
      groups.set(publisher, [...(groups.get(publisher) ?? []), one])
    }
    return [...groups.values()]
  }

  function due(now: number): Waiting[] {
    return list().filter((waiting) => waiting.due * 1000 <= now)
  }

  function list(): Waiting[] {
    return readdirSync(directory).flatMap(parseName).sort((a, b) => a.due - b.due || (a.name < b.name ? -1 : 1))
  }

  function isDone(report: Report, key: string): boolean {
    return exists(sentPath(report)) || exists(join(dead, `${key}.json`))
  }

  function sentPath(report: Report): string {
    return join(buildPath(report), 'sent', `${report.id}.json`)
  }

  function buildPath(report: Report): string {
    return join(home, 'builds', report.build)
  }
}

/** The second when a report that is handed over now is due. */
function dueOf({ not_before: notBefore }: Report): number {
  return Math.floor(Math.max(Date.now(), notBefore === undefined ? 0 : Date.parse(notBefore)) / 1000)
}

/** bin/quern reads these names too: digits, a hyphen, whatever. */
function parseName(name: string): Waiting[] {
  const match = /^(\d+)-(.+?)(?:\.json)?$/.exec(name)
  return match ? [{ name, due: Number(match[1]), key: match[2]! }] : []
}

function keyOf({ build, id }: Report): string {
  return createHash('sha256').update(`${build}\0${id}`).digest('hex').slice(0, 32)
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

function linkOnce(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  }
}

/** Renaming a link onto another link of the same file does nothing and says success (POSIX), so the old name is removed afterwards. */
function move(from: string, to: string): void {
  renameSync(from, to)
  rmSync(from, { force: true })
}

function exists(path: string): boolean {
  return orMissing(() => lstatSync(path)) !== undefined
}
