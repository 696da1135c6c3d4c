import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildName, type RunResult } from '../model/build.ts'
import type { Plan, PlannedSeries } from '../model/plan.ts'
import { statusOf } from '../model/verdict.ts'
import type { Attempt } from './attempt.ts'
import { blameRuns } from './blame-series.ts'
import { withNeeds } from './comparable.ts'
import { executePlan } from './execute-plan.ts'
import { warningsOf } from './run-warnings.ts'
import { isRed } from './second-try.ts'
import type { Settled } from './workshop.ts'

/** Tells the server what is to be built. Nothing waits for its answer. */
export async function announce({ workshop, claim, record }: Attempt, settled: Settled): Promise<void> {
  const reports = await workshop.reportsAtStart(buildName(claim.build), settled)
  for (const report of reports) await workshop.outbox.write(record.directory, report)
  if (reports.length === 0 || (await workshop.outbox.handOver(record.directory)) === 0) return
  workshop.outbox.deliverDue().catch((error: unknown) => workshop.log.warn({ err: error }, 'delivering what is told at the start failed; it is tried again'))
}

/**
 * Executes a series one patch after the other, so that the trees of one patch only take room, and each to its end, whatever
 * became of those before it. Then what is needed of the base to tell whose the failures and warnings of the first patch are.
 */
export async function executeSeries(attempt: Attempt, settled: Settled): Promise<RunResult[]> {
  const { plan } = settled
  const series = plan.series!
  const results: RunResult[] = []
  for (const { n, tree } of series.patches) {
    const runs = plan.runs.filter((run) => run.patch?.n === n)
    if (runs.length > 0) results.push(...(await executePlan(attempt, { ...settled, plan: { ...plan, runs }, origin: originAt(tree) })))
  }
  if (!attempt.stop.signal.aborted) results.push(...(await executeBase(attempt, settled, await wantedOfBase(attempt, plan, results))))
  const told = attempt.workshop.blame.compare ? blameRuns(plan, results) : results
  return [...told, ...refusedPatch(attempt, series)]
}

/** Stored verdicts of the base are taken, red ones too: it is only compared with. */
async function executeBase(attempt: Attempt, settled: Settled, names: string[]): Promise<RunResult[]> {
  const { claim, record } = attempt
  if (names.length === 0) return []
  const { plan, request } = settled
  record.say(`The first patch is compared with its base in ${names.join(', ')}.`)
  const base: Settled = {
    ...settled,
    plan: { ...plan, runs: withNeeds({ ...plan, runs: plan.series!.base_runs }, names) },
    request: { ...request, blame: { for: buildName(claim.build), runs: names } },
    origin: originAt(plan.series!.base_tree),
  }
  return (await executePlan(attempt, base)).map((result) => ({ ...result, base: true as const }))
}

/** Verdicts of its tree are reused; its history is the series. */
function originAt(tree: string): NonNullable<Settled['origin']> {
  return { tree, history: async () => undefined }
}

/** The runs on the base with which a run of the first patch is to be compared, since it failed or has warnings. */
async function wantedOfBase({ workshop, claim }: Attempt, plan: Plan, results: RunResult[]): Promise<string[]> {
  const { base_runs: runs, patches } = plan.series!
  const first = patches.find(({ parent }) => parent === 0)
  const wanted = new Set<string>()
  for (const run of plan.runs.filter(({ patch }) => patch?.n === first?.n)) {
    const result = results.find(({ name }) => name === run.name)
    if (result === undefined) continue
    const isOpen = isRed(result) && result.blame === undefined
    if (isOpen || (result.verdict === 'passed' && (await warningsOf(workshop.home, claim.build, result)).size > 0)) wanted.add(run.patch!.run)
  }
  return runs.filter(({ patch }) => wanted.has(patch!.run)).map(({ name }) => name)
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
