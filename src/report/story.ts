import { createHash } from 'node:crypto'
import { buildName, type BuildResult, type RunResult } from '../model/build.ts'
import type { Plan } from '../model/plan.ts'
import { readableLine } from '../model/readable.ts'
import type { Stage } from '../model/verdict.ts'
import type { Digest } from './digest.ts'

/** A run whose verdict may still be to come. */
export type RunSoFar = Omit<RunResult, 'verdict'> & { verdict: Stage }

/** What is known of a build while it runs: as much of its result as there is. */
export type ResultSoFar = Omit<BuildResult, 'verdict' | 'runs' | 'ended'> & { verdict: Stage; ended?: string; runs: RunSoFar[] }

/** What every form of a report is made of. */
export interface ReportSource {
  result: ResultSoFar
  /** Absent where the request could not be settled. */
  plan?: Plan | undefined
  /** The first error of runs that failed, by the run's name. */
  digests?: Readonly<Record<string, Digest>>
  /** What jobs wrote to `$QUERN_SHARED/<job>.txt`, by the job's name. */
  notes?: Readonly<Record<string, string>>
}

/** The words of a report, the same in every form. Names are readable, not yet escaped for any form. */
export interface Story {
  /** `<pipeline>/<number>` */
  build: string
  repository: string
  ref: string
  commit: string
  verdict: Stage
  light: string
  took: string
  /** Absent where the errors tell it already. */
  reason: string | undefined
  rows: Row[]
  /** Each with the index of its row. A guess is the end of a log in which nothing calls itself an error. */
  errors: { run: string; row: number; place: string | undefined; guess: boolean; lines: string[] }[]
}

/** One run as a report shows it. */
export interface Row {
  name: string
  /** Eight hexadecimal digits that follow from build and run. */
  id: string
  verdict: Stage
  light: string
  /** `m:ss`, empty where it never ran, or has not ended. */
  took: string
  note: string
  /** Indexes of the rows that it needs. */
  needs: number[]
}

const lights: Record<Stage, string> = { queued: '⚪', running: '🔵', passed: '🟢', failed: '🔴', 'timed-out': '🔴', errored: '🟠', 'not-applied': '🟡', cancelled: '⚪', skipped: '⚪' }

/** Characters of a job's note that are shown. */
const noteWidth = 40

/** Runs whose first error opens a report. */
const shownErrors = 5

/** Settles the words of a report. */
export function storyOf({ result, plan, digests = {}, notes = {} }: ReportSource): Story {
  const errors = result.runs.flatMap((run, row) => errorOf(run, row, digests[run.name])).slice(0, shownErrors)
  const index = new Map(result.runs.map(({ name }, at) => [name, at]))
  const planned = new Map((plan?.runs ?? []).map((run) => [run.name, run]))
  return {
    build: readableLine(buildName(result)),
    repository: readableLine(result.full_name ?? result.repository),
    ref: readableLine(result.ref),
    commit: result.commit_id.slice(0, 10),
    verdict: result.verdict,
    light: lights[result.verdict],
    took: tookOf(result),
    reason: result.reason === undefined || isTold(result.reason, errors) ? undefined : readableLine(result.reason),
    rows: result.runs.map((run) => ({
      name: readableLine(run.name),
      id: createHash('sha256').update(`${buildName(result)}\0${run.name}`).digest('hex').slice(0, 8),
      verdict: run.verdict,
      light: lights[run.verdict],
      took: tookOf(run),
      note: noteOf(run.note ?? notes[planned.get(run.name)?.job ?? run.name]),
      needs: (planned.get(run.name)?.needs ?? []).flatMap((need) => index.get(need) ?? []),
    })),
    errors,
  }
}

/** A fault in the pipeline file is both what its run printed and why the build failed. */
function isTold(reason: string, errors: Story['errors']): boolean {
  return errors.some(({ lines }) => lines.join('\n').includes(reason))
}

function errorOf({ name }: RunSoFar, row: number, digest: Digest | undefined): Story['errors'] {
  if (digest === undefined) return []
  const place = digest.file === undefined ? undefined : readableLine(digest.file) + (digest.fileLine === undefined ? '' : `:${digest.fileLine}`)
  return [{ run: readableLine(name), row, place, guess: digest.guess === true, lines: digest.lines }]
}

/** Minutes and seconds between start and end. */
function tookOf({ started, ended }: { started?: string | undefined; ended?: string | undefined }): string {
  if (started === undefined || ended === undefined) return ''
  const seconds = Math.max(0, Math.round((Date.parse(ended) - Date.parse(started)) / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function noteOf(text: string | undefined): string {
  return [...readableLine((text ?? '').slice(0, 1000))].slice(0, noteWidth).join('')
}
