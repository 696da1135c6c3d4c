/*
 * Where reports lie on their way to their publishers. They are links to the files that their builds wrote:
 *
 *   builds/<build>/reports/<id>.json      written and fsynced before the build is decided
 *   outbox/<due>-<key>.json               linked there by `handOver`; due in seconds, key from build and id
 *   outbox/<later>-<key>.json             renamed when its publisher asks for another try
 *   builds/<build>/sent/<id>.json         renamed when its publisher accepted it, or said that nobody wants it any more
 *   builds/<build>/sent/<id>.taken        written by the publisher of mail: whom the server took, while it puts off another receiver
 *   outbox/dead/<key>.json, .reason       renamed when it was refused, is too old or cannot be read
 *
 * A move is one rename, so a crash leaves a report where it was or where it goes.
 */
import { createHash } from 'node:crypto'
import { linkSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isCode, orMissing } from '../disk/read.ts'
import { makeDirectory, syncDirectory, writeAtomically } from '../disk/write.ts'
import { readableLine } from '../model/readable.ts'
import type { Report } from './publisher.ts'
import { readReport } from './report-file.ts'

/** A report in the outbox. */
export interface Waiting {
  name: string
  /** Seconds. */
  due: number
  key: string
}

export interface Shelves {
  /** The path of one that waits. */
  pathOf(waiting: Waiting): string
  /** The earliest due first. */
  list(): Waiting[]
  /** Whether it is sent or dead. */
  isDone(report: Report, key: string): boolean
  /** Links it into the outbox, unless it is there. */
  add(report: Report, from: string): void
  /** Removes it from the outbox. */
  drop(waiting: Waiting): void
  /** Makes the place for what is sent, before a publisher is asked: what cannot be kept as sent would be sent with every tick. */
  prepare(report: Report): void
  keepAsSent(waiting: Waiting, report: Report): void
  /** @param due in seconds */
  putOffUntil(waiting: Waiting, due: number): void
  bury(waiting: Waiting, reason: string): void
  /** What was added is on the disk. */
  flush(): void
}

/** The reports that wait in a home; what cannot be read is left out. */
export function waitingReports(home: string): Report[] {
  const directory = join(home, 'outbox')
  const names = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => /^\d+-.*\.json$/.test(name))
  return names.map((name) => readReport(join(directory, name))).filter((report) => typeof report === 'object')
}

export function openShelves(home: string): Shelves {
  const directory = makeDirectory(join(home, 'outbox'))
  const dead = makeDirectory(join(directory, 'dead'))
  const pathOf = ({ name }: Pick<Waiting, 'name'>) => join(directory, name)
  const buildPath = (report: Report) => join(home, 'builds', report.build)
  const sentPath = (report: Report) => join(buildPath(report), 'sent', `${report.id}.json`)

  return {
    pathOf,
    list: () => readdirSync(directory).flatMap(parseName).sort((a, b) => a.due - b.due || (a.name < b.name ? -1 : 1)),
    isDone: (report, key) => exists(sentPath(report)) || exists(join(dead, `${key}.json`)),
    add: (report, from) => linkOnce(from, join(directory, `${dueOf(report)}-${keyOf(report)}.json`)),
    drop: (waiting) => rmSync(pathOf(waiting), { force: true }),
    prepare: (report) => {
      if (exists(buildPath(report))) makeDirectory(join(buildPath(report), 'sent'))
    },
    keepAsSent,
    putOffUntil: (waiting, due) => move(pathOf(waiting), join(directory, `${due}-${waiting.key}.json`)),
    bury: (waiting, reason) => {
      move(pathOf(waiting), join(dead, `${waiting.key}.json`))
      writeAtomically(join(dead, `${waiting.key}.reason`), `${readableLine(reason)}\n`)
      syncDirectory(dead)
    },
    flush: () => syncDirectory(directory),
  }

  /** Whatever happens here, the publisher has it: a report that cannot be kept as sent leaves the outbox all the same, or it would be sent with every tick. */
  function keepAsSent(waiting: Waiting, report: Report): void {
    try {
      // A pruned build has no place for it any more.
      if (exists(buildPath(report))) {
        move(pathOf(waiting), sentPath(report))
        syncDirectory(join(buildPath(report), 'sent'))
      }
    } finally {
      rmSync(pathOf(waiting), { force: true })
    }
    syncDirectory(directory)
  }
}

export function keyOf({ build, id }: Report): string {
  return createHash('sha256').update(`${build}\0${id}`).digest('hex').slice(0, 32)
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
