import type { PlannedRun } from '../model/plan.ts'
import { PlanError } from './plan-error.ts'

/** Runs in one plan. */
const most = 2000

/** @throws {PlanError} where there are too many runs, two of one name, a need that is no run, or a circle of needs */
export function checkRuns(runs: PlannedRun[]): void {
  if (runs.length > most) throw new PlanError(`the plan has ${runs.length} runs: expected at most ${most}`)
  const byName = new Map<string, PlannedRun>()
  for (const run of runs) {
    if (byName.has(run.name)) throw new PlanError(`two runs are named "${run.name}": give each its own name`)
    byName.set(run.name, run)
  }
  for (const run of runs) {
    const stray = run.needs.find((need) => !byName.has(need))
    if (stray !== undefined) throw new PlanError(`the run "${run.name}" needs "${stray}", which is no run of this plan`)
  }
  const circle = circleAmong(runs)
  if (circle !== undefined) throw new PlanError(`these runs need each other in a circle: ${circle.join(', ')}`)
}

/** The names of runs that could never start: taken away, one after the other, are those whose needs are all gone. */
function circleAmong(runs: PlannedRun[]): string[] | undefined {
  const waiting = new Map(runs.map((run) => [run.name, new Set(run.needs)]))
  const dependents = new Map<string, string[]>()
  for (const run of runs) for (const need of run.needs) dependents.set(need, [...(dependents.get(need) ?? []), run.name])
  const free = runs.filter((run) => run.needs.length === 0).map((run) => run.name)
  for (const name of free) {
    waiting.delete(name)
    for (const dependent of dependents.get(name) ?? []) {
      const needs = waiting.get(dependent)
      if (needs?.delete(name) && needs.size === 0) free.push(dependent)
    }
  }
  return waiting.size === 0 ? undefined : [...waiting.keys()].slice(0, 10)
}
