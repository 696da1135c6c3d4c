import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { sync, syncDirectories } from '../disk/sync.ts'
import { writeAtomically } from '../disk/write.ts'
import type { BuildResult } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import type { Plan, PlannedRun } from '../model/plan.ts'
import { readableLine } from '../model/readable.ts'
import type { Request } from '../model/request.ts'
import { statusOf, type Status } from '../model/verdict.ts'

/** The record of one build while it is written. */
export interface BuildRecord {
  directory: string
  /** Adds a sentence with the time to summary.log. */
  say(sentence: string): void
  setStatus(status: Status): void
  /** Keeps the plan, and the request with what settling it added. */
  keepPlan(plan: Plan, request: Request): void
  /** Makes the directory of a run that starts now, status RUNNING. A planned run without a directory is QUEUED, or was skipped. */
  openRun(run: Startable): RunRecord
  /** The commit point: once it resolves, request, plan, result and terminal status survive a power cut. */
  decide(result: BuildResult): Promise<void>
}

/** What of a run its record begins with. */
type Startable = Pick<PlannedRun, 'name' | 'params'> & Partial<PlannedRun>

/** The record of one run while it is written. */
export interface RunRecord {
  directory: string
  setStatus(status: Status): void
}

/**
 * Opens the record of a build for an attempt. What an earlier attempt left moves to attempts/<n>, for whoever wants to know
 * what was running when the machine died.
 */
export function openBuildRecord(directory: string, { request, attempt }: { request: Request; attempt: number }): BuildRecord {
  mkdirSync(directory, { recursive: true })
  if (attempt > 1) setAside(directory, attempt - 1)
  writeJson(join(directory, 'request.json'), request)
  const setStatus = statusWriter(directory)
  setStatus('RUNNING')
  const summary = openSummary(directory)
  return {
    directory,
    say: summary.say,
    setStatus,
    keepPlan(plan, settled) {
      writeJson(join(directory, 'plan.json'), plan)
      if (settled !== request) writeJson(join(directory, 'request.json'), settled)
    },
    openRun: (run) => openRunRecord(join(directory, 'runs', directoryName(run.name)), run),
    decide: (result) => decide(directory, result).finally(summary.close),
  }
}

/** Adds to the result of a decided build what was found out about it since; once it returns it survives a power cut. */
export function amendResult(directory: string, result: BuildResult): void {
  writeAtomically(join(directory, 'result.json'), `${JSON.stringify(result, null, 2)}\n`, { durable: true })
}

/** Every build says a few sentences, in one file that stays open until it is decided. */
function openSummary(directory: string): { say: BuildRecord['say']; close: () => void } {
  let descriptor: number | undefined
  return {
    say(sentence) {
      descriptor ??= openSync(join(directory, 'summary.log'), 'a')
      writeFileSync(descriptor, `${new Date().toISOString()} ${readableLine(sentence)}\n`)
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}

function openRunRecord(directory: string, run: Startable): RunRecord {
  mkdirSync(directory, { recursive: true })
  if (Object.keys(run.params).length > 0) writeJson(join(directory, 'params'), run.params)
  if (run.image !== undefined) writeFileSync(join(directory, 'container'), `${run.image}\n`)
  const setStatus = statusWriter(directory)
  setStatus('RUNNING')
  return { directory, setStatus }
}

function statusWriter(directory: string): (status: Status) => void {
  return (status) => writeAtomically(join(directory, 'status'), `${status}\n`)
}

/**
 * All is synced before the one rename that decides, also what was asked and planned: a verdict on nobody knows what is none.
 * On the thread pool, since other builds run meanwhile.
 */
async function decide(directory: string, result: BuildResult): Promise<void> {
  const contents = { 'result.json': `${JSON.stringify(result, null, 2)}\n`, status: `${statusOf(result.verdict)}\n` }
  const written = Object.entries(contents).map(([name, text]) => writeSynced(join(directory, `.${name}.tmp`), text))
  await Promise.all([...written, ...['request.json', 'plan.json'].map((name) => syncFile(join(directory, name)))])
  for (const name of Object.keys(contents)) renameSync(join(directory, `.${name}.tmp`), join(directory, name))
  await syncDirectories([directory, dirname(directory)])
}

/** One that is not there needs no sync: a build that was never planned has no plan. */
async function syncFile(path: string): Promise<void> {
  const descriptor = orMissing(() => openSync(path, 'r'))
  if (descriptor === undefined) return
  await sync(descriptor).finally(() => closeSync(descriptor))
}

/** writeFileSync writes on after a short write, which is what a disk that is nearly full answers first. */
async function writeSynced(path: string, text: string): Promise<void> {
  const descriptor = openSync(path, 'w')
  try {
    writeFileSync(descriptor, text)
    await sync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function setAside(directory: string, attempt: number): void {
  const target = join(directory, 'attempts', String(attempt))
  mkdirSync(target, { recursive: true })
  for (const name of ['plan.json', 'runs', 'reports', 'result.json']) {
    if (!existsSync(join(directory, name))) continue
    rmSync(join(target, name), { recursive: true, force: true })
    renameSync(join(directory, name), join(target, name))
  }
}

/** Not atomic, and synced when the build decides: nothing reads these before it says RUNNING, and a repeated attempt writes them anew. */
function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}
