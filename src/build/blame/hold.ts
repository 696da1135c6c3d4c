import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../../disk/read.ts'
import { makeDirectory, syncDirectory, writeAtomically } from '../../disk/write.ts'
import { buildName, parseBuildName, type BuildId } from '../../model/build.ts'
import { isDue } from '../../model/due.ts'
import type { Plan } from '../../model/plan.ts'
import type { Request } from '../../model/request.ts'
import { wholeJson } from '../../model/whole-json.ts'

/*
 * A failed build whose reports wait until it is known whose the failure is:
 *
 *   builds/<build>/blame.json            what is asked and what was answered so far
 *   ledger/held/<due>-<pipeline>~<number> the build's name; at the second <due> the wait ends, whatever is known
 *
 * Both are durable before the build is decided. The mark goes when its reports are in the outbox.
 */

/** How a commit did in one run. `skipped`: it did not get so far; `absent`: it has no such run; `unknown`: we could not build it. */
export interface Answer {
  verdict: 'green' | 'red' | 'skipped' | 'absent' | 'unknown'
  /** Where it was seen, `<pipeline>/<number>`, and the run's name there. */
  build?: string
  run?: string
  reason?: string
}

export interface Hold extends BuildId {
  /** What the build was asked for, and by which plan: its own copies of these are not synced. */
  request: Request
  plan: Plan
  /** The second since 1970 when the wait ends. */
  due: number
  /** The commit with which failures are compared. */
  parent: string
  /** From there to the tested one, oldest first. */
  commits: string[]
  /** The failed runs. */
  runs: string[]
  /** Of a mailed series: the runs that passed with compiler warnings, of which those on the parent tell which are new. */
  warned?: string[]
  /** By commit and run. */
  answers: Record<string, Record<string, Answer>>
  /** The entry that builds a commit for this one. */
  awaits?: { entry: string; commit: string }
}

/** The runs of which something is still to be found out. */
export function openRuns({ runs, warned = [] }: Hold): string[] {
  return [...runs, ...warned]
}

/** Once it returns, the hold survives a power cut. */
export function keepHold(home: string, hold: Hold): void {
  const directory = makeDirectory(join(home, 'ledger/held'))
  writeAtomically(join(home, 'builds', buildName(hold), 'blame.json'), `${JSON.stringify(hold, null, 2)}\n`, { durable: true })
  const marks = marksOf(home, hold)
  // Of an earlier attempt.
  for (const name of marks) if (name !== markName(hold)) rmSync(join(directory, name))
  if (!marks.includes(markName(hold))) writeAtomically(join(directory, markName(hold)), `${buildName(hold)}\n`, { durable: true })
}

/** Nothing waits for this build any more; what was asked and answered stays in its record. */
export function endHold(home: string, build: BuildId): void {
  const marks = marksOf(home, build)
  for (const name of marks) rmSync(join(home, 'ledger/held', name), { force: true })
  if (marks.length > 0) syncDirectory(join(home, 'ledger/held'))
}

/** The hold of a build, or undefined where its reports do not wait, or its file is torn. */
export function holdOf(home: string, build: BuildId): Hold | undefined {
  if (marksOf(home, build).length === 0) return undefined
  const hold = wholeJson(readIfThere(join(home, 'builds', buildName(build), 'blame.json'))) as Hold | null | undefined
  return Array.isArray(hold?.runs) ? hold! : undefined
}

/** The builds whose reports wait, those that are due first. */
export function heldBuilds(home: string): BuildId[] {
  return buildsOf(home, allMarks(home))
}

/** Those whose wait is over. @param now seconds since 1970 */
export function dueBuilds(home: string, now: number): BuildId[] {
  return buildsOf(home, allMarks(home).filter((name) => isDue(Number(name.split('-')[0]), now)))
}

/** A prune looks while a builder ends waits. */
function buildsOf(home: string, marks: string[]): BuildId[] {
  return marks.toSorted().flatMap((name) => parseBuildName((readIfThere(join(home, 'ledger/held', name)) ?? '').trim()) ?? [])
}

/** Whether there are any is asked first, since every build does so: making an error takes longer. */
function allMarks(home: string): string[] {
  const held = join(home, 'ledger/held')
  return existsSync(held) ? readdirSync(held).filter((name) => /^\d+-/.test(name)) : []
}

/** bin/quern reads these names, too: digits, a hyphen, whatever. */
function markName(hold: Hold): string {
  return `${hold.due}-${nameOf(hold)}`
}

function marksOf(home: string, build: BuildId): string[] {
  return allMarks(home).filter((name) => /^\d+-(.*)$/s.exec(name)?.[1] === nameOf(build))
}

function nameOf({ pipeline, number }: BuildId): string {
  return `${pipeline}~${number}`
}
