import { isGreen, type RunResult } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import type { Verdict } from '../../model/verdict.ts'

/** How a service and the schedule tell each other what they must know. */
export interface Service {
  /** To be called once the service can be used. */
  usable: () => void
  /** Aborted when all runs that are no services have ended. */
  over: AbortSignal
}

/** Executes one run; a service until it is over. */
type Start = (run: PlannedRun, service?: Service) => Promise<RunResult>

/**
 * Starts every run of a plan the moment its needs are green, and skips those of which a need has not.
 * A service counts as passed for those that need it once it can be used; it is stopped when all others have ended, and
 * has failed only where it ended by itself, not with 0.
 * Resolves with the results in the plan's order; rejects, where a run could not be recorded, when the others have ended.
 * The plan is checked: every need exists and there is no circle.
 */
export async function schedule(runs: PlannedRun[], start: Start): Promise<RunResult[]> {
  const results = new Map<string, RunResult>()
  const missing = new Map(runs.map((run) => [run.name, run.needs.length]))
  const dependents = dependentsOf(runs)
  const over = new AbortController()
  const services: Promise<void>[] = []

  async function begin(run: PlannedRun): Promise<void> {
    const refused = whyNot(run, results)
    if (refused === undefined && run.service) await beginService(run)
    else results.set(run.name, refused ?? (await start(run)))
    await allOf((dependents.get(run.name) ?? []).filter((next) => countDown(missing, next.name) === 0).map(begin))
  }

  /** Resolves when it can be used, or has ended. */
  async function beginService(run: PlannedRun): Promise<void> {
    let usable = () => {}
    const inUse = new Promise<void>((resolve) => (usable = resolve))
    const ended = start(run, { usable, over: over.signal }).then((result) => void results.set(run.name, asService(result, over.signal.aborted)))
    services.push(ended)
    await Promise.race([inUse, ended])
    if (!results.has(run.name)) results.set(run.name, { name: run.name, verdict: 'passed' })
  }

  try {
    await allOf(runs.filter((run) => run.needs.length === 0).map(begin))
  } finally {
    if (services.length > 0) over.abort()
    await allOf(services)
  }
  return runs.map((run) => results.get(run.name)!)
}

/** Like Promise.all, but rejects only when nothing goes on any more: what the runs use is removed then. */
async function allOf(promises: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((one) => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** A service that was stopped when nobody needed it any more has done its work. */
export function verdictOfService(verdict: Verdict, over: boolean): Verdict {
  return verdict === 'cancelled' && over ? 'passed' : verdict
}

function asService({ code, signal, ...result }: RunResult, over: boolean): RunResult {
  const verdict = verdictOfService(result.verdict, over)
  if (verdict !== result.verdict) return { ...result, verdict }
  const ended = { ...result, ...(code !== undefined && { code }), ...(signal !== undefined && { signal }) }
  if (result.verdict !== 'failed') return ended
  return { ...ended, reason: result.reason ?? (signal === undefined ? `the service ended by itself with exit code ${code}` : `the service was ended by ${signal}`) }
}

/** The result of a run that is not to start: the plan leaves it out, or a need has not passed. */
function whyNot({ name, skip, needs }: PlannedRun, results: Map<string, RunResult>): RunResult | undefined {
  if (skip !== undefined) return { name, verdict: 'skipped', reason: skip }
  const need = needs.find((one) => !isGreen(results.get(one)!))
  if (need === undefined) return undefined
  const { verdict } = results.get(need)!
  return { name, verdict: 'skipped', reason: `it needs ${need}, which ${verdict === 'skipped' ? 'was skipped' : verdict}` }
}

function dependentsOf(runs: PlannedRun[]): Map<string, PlannedRun[]> {
  const dependents = new Map<string, PlannedRun[]>()
  for (const run of runs) {
    for (const need of run.needs) {
      const known = dependents.get(need)
      if (known) known.push(run)
      else dependents.set(need, [run])
    }
  }
  return dependents
}

function countDown(counts: Map<string, number>, name: string): number {
  const left = counts.get(name)! - 1
  counts.set(name, left)
  return left
}
