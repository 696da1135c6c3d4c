import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildName, type RunResult } from '../../model/build.ts'
import type { PlannedSeries } from '../../model/plan.ts'
import { statusOf } from '../../model/verdict.ts'
import type { Attempt } from '../attempt.ts'
import { executePlan } from './execute-plan.ts'
import { recordMistake } from '../record-mistake.ts'
import type { Settled } from '../workshop.ts'

/** Tells the server what is to be built. Nothing waits for its answer. */
export async function announce({ workshop, claim, record }: Attempt, settled: Settled): Promise<void> {
  const reports = await workshop.reportsAtStart(buildName(claim.build), settled)
  for (const report of reports) await workshop.outbox.write(record.directory, report)
  if (reports.length === 0 || (await workshop.outbox.handOver(record.directory)) === 0) return
  workshop.outbox.deliverDue().catch((error: unknown) => workshop.log.warn({ err: error }, 'delivering what is told at the start failed; it is tried again'))
}

/**
 * Executes a series one patch after the other, so that the trees of one patch only take room, and each to its end, whatever
 * became of those before it.
 */
export async function executeSeries(attempt: Attempt, settled: Settled): Promise<RunResult[]> {
  const { plan } = settled
  const series = plan.series!
  const results: RunResult[] = []
  for (const { n, tree } of series.patches) {
    const runs = plan.runs.filter((run) => run.patch?.n === n)
    const [{ name, mistake } = { name: '' }] = runs
    if (mistake !== undefined) results.push(recordMistake(attempt.record, name, mistake))
    else if (runs.length > 0) results.push(...(await executePlan(attempt, { ...settled, plan: { ...plan, runs }, origin: originAt(tree) })))
  }
  return [...results, ...refusedPatch(attempt, series)]
}

/** Verdicts of its tree are reused; its history is the series. */
function originAt(tree: string): NonNullable<Settled['origin']> {
  return { tree, history: async () => undefined }
}

/** That a patch does not apply shows as a run of the build, with git's reason as its output. */
function refusedPatch({ record }: Attempt, { patches, failed }: PlannedSeries): RunResult[] {
  if (failed === undefined) return []
  const started = new Date().toISOString()
  const name = patches.length === 0 && failed.n === 1 ? 'apply' : `apply [${failed.n}]`
  const reason = `patch ${failed.n} does not apply: ${failed.reason}`
  const run = record.openRun({ name, params: {} })
  writeFileSync(join(run.directory, 'console.log'), `error: ${reason}\n`)
  run.setStatus(statusOf('not-applied'))
  return [{ name, verdict: 'not-applied', reason, started, ended: new Date().toISOString(), blame: { class: 'not-applied', reason } }]
}
