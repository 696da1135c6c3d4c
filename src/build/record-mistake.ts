import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunResult } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'
import { statusOf } from '../model/verdict.ts'
import type { BuildRecord } from '../record/build-record.ts'

/** The run, and the check, that tell of a pipeline file with a mistake. */
export const ofPipeline = 'pipeline'

/** A pipeline file is at fault: what it printed and what is wrong with it are recorded as a run that failed. */
export function recordMistake(record: BuildRecord, name: string, { message, printed }: NonNullable<PlannedRun['mistake']>): RunResult {
  const started = new Date().toISOString()
  const run = record.openRun({ name, params: {} })
  writeFileSync(join(run.directory, 'console.log'), `${printed}${printed === '' || printed.endsWith('\n') ? '' : '\n'}error: ${message}\n`)
  run.setStatus(statusOf('failed'))
  return { name, verdict: 'failed', reason: message, started, ended: new Date().toISOString() }
}
