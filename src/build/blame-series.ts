import { isGreen, type Blame, type RunResult } from '../model/build.ts'
import type { Plan, PlannedRun } from '../model/plan.ts'
import { classifyAtOnce, withClasses } from './blame.ts'
import { isRed } from './second-try.ts'

/**
 * Gives each failure of a series its class by comparing it with the same run of the patch before it, or of the base: a
 * base that is red, repaired by patch 1 and broken again by patch 2, is `new` for patch 2.
 */
export function blameRuns(plan: Plan, results: RunResult[]): RunResult[] {
  const planned = new Map(plan.runs.map((run) => [run.name, run]))
  const classed = classifyAtOnce({ plan, runs: results.filter(({ base }) => !base) }).map((result) => {
    const run = planned.get(result.name)
    if (run === undefined || !isRed(result) || result.blame !== undefined) return result
    return { ...result, blame: compare(parentOf(plan, run, results)) }
  })
  return [...withClasses(classed, undefined), ...results.filter(({ base }) => base)]
}

/** How the same run ended on the commit with which a patch is compared; undefined where it was not executed there. */
export function parentOf({ runs, series }: Plan, { patch }: PlannedRun, results: readonly RunResult[]): RunResult | undefined {
  if (patch === undefined || series === undefined) return undefined
  const { parent } = series.patches.find(({ n }) => n === patch.n) ?? {}
  const name = [...runs, ...series.base_runs].find((run) => run.patch?.n === parent && run.patch?.run === patch.run)?.name
  return results.find((result) => result.name === name)
}

function compare(parent: RunResult | undefined): Blame {
  if (parent === undefined) return { class: 'new', reason: 'what it is compared with has no such run' }
  const { name, verdict } = parent
  if (isGreen(parent)) return { class: 'new', reason: `${name} is green` }
  if (isRed(parent)) return { class: 'parent', reason: `${name} is red, too` }
  if (verdict === 'skipped') return { class: 'parent', reason: `${name} was not run, since what it needs is red` }
  return { class: 'infra', reason: `${name}, with which it is to be compared, ${verdict === 'cancelled' ? 'was cancelled' : 'errored'}` }
}
