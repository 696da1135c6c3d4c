import type { RunResult } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'

/**
 * Starts every run of a plan the moment its needs have passed, and skips those of which a need has not.
 * Resolves with the results in the plan's order. The plan is checked: every need exists and there is no circle.
 */
export async function schedule(runs: PlannedRun[], start: (run: PlannedRun) => Promise<RunResult>): Promise<RunResult[]> {
  const results = new Map<string, RunResult>()
  const missing = new Map(runs.map((run) => [run.name, run.needs.length]))
  const dependents = dependentsOf(runs)
  const begin = async (run: PlannedRun): Promise<void> => {
    const result = whyNot(run, results) ?? (await start(run))
    results.set(run.name, result)
    await Promise.all((dependents.get(run.name) ?? []).filter((next) => countDown(missing, next.name) === 0).map(begin))
  }
  await Promise.all(runs.filter((run) => run.needs.length === 0).map(begin))
  return runs.map((run) => results.get(run.name)!)
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

/** The result of a run that is not to start: the plan leaves it out, or a need has not passed. */
function whyNot({ name, skip, needs }: PlannedRun, results: Map<string, RunResult>): RunResult | undefined {
  if (skip !== undefined) return { name, verdict: 'skipped', reason: skip }
  const need = needs.find((one) => results.get(one)?.verdict !== 'passed')
  if (need === undefined) return undefined
  const { verdict } = results.get(need)!
  return { name, verdict: 'skipped', reason: `it needs ${need}, which ${verdict === 'skipped' ? 'was skipped' : verdict}` }
}
