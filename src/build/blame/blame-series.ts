import { isGreen, isRed, type Blame, type BuildId, type RunResult } from '../../model/build.ts'
import type { Plan, PlannedRun } from '../../model/plan.ts'
import type { Request } from '../../model/request.ts'
import { classifyAtOnce, endOfWait } from './blame.ts'
import { withNeeds } from './comparable.ts'
import type { Hold } from './hold.ts'
import { warningsOf } from './run-warnings.ts'

/**
 * Compares each failure of a series with the same run of an earlier patch: a base that is red, repaired by patch 1 and
 * broken again by patch 2, is `new` for patch 2. What has to be compared with the base has no class yet.
 */
export function blamePatches(plan: Plan, results: RunResult[]): RunResult[] {
  const planned = new Map(plan.runs.map((run) => [run.name, run]))
  return classifyAtOnce({ plan, runs: results }).map((result) => {
    const run = planned.get(result.name)
    if (run === undefined || !isRed(result) || result.blame !== undefined) return result
    const parent = parentOf(plan, run)
    return parent === 'base' ? result : { ...result, blame: compare(run, parent, { plan, results }) }
  })
}

/**
 * The run with which that of a patch is compared: the same one of the nearest patch before it that has it. One that left it
 * out, since it changes nothing that concerns it, is passed over; one whose pipeline file has a mistake did not get so far.
 */
export function parentOf({ runs, series }: Plan, { patch }: PlannedRun): PlannedRun | 'base' {
  const before = series!.patches.filter(({ n }) => n < patch!.n).toReversed()
  for (const { n } of before) {
    const there = runs.filter((run) => run.patch?.n === n)
    const found = there.find((run) => run.patch!.run === patch!.run && run.skip === undefined) ?? there.find(({ mistake }) => mistake !== undefined)
    if (found !== undefined) return found
  }
  return 'base'
}

/**
 * What is to be found out about a series on other commits than those that were tested: first on its base; where that is green
 * and only the last patch was tested, on the patches before. Undefined where nothing is.
 */
export async function openSeriesHold(home: string, { build, request, plan, runs }: { build: BuildId; request: Request; plan: Plan; runs: RunResult[] }): Promise<Hold | undefined> {
  const { base: parent, patches } = plan.series!
  const ofBase = new Set(plan.runs.filter((run) => parentOf(plan, run) === 'base').map(({ name }) => name))
  const open = runs.filter(({ name }) => ofBase.has(name))
  const failed = open.filter((run) => isRed(run) && run.blame === undefined)
  const warned = await withWarnings(home, build, open)
  if (failed.length === 0 && warned.length === 0) return undefined
  const commits = patches.filter(({ empty }) => empty === undefined).map(({ commit }) => commit)
  // Where each patch was tested, what was before the one that failed is known.
  const suspects = request.series!.each_patch ? commits.slice(-1) : commits
  return { ...build, request, plan, due: endOfWait(), parent, commits: suspects, runs: failed.map(({ name }) => name), warned, answers: {} }
}

async function withWarnings(home: string, build: BuildId, runs: RunResult[]): Promise<string[]> {
  const names: string[] = []
  for (const run of runs) if (run.verdict === 'passed' && ((await warningsOf(home, build, run))?.size ?? 0) > 0) names.push(run.name)
  return names
}

interface Tested {
  plan: Plan
  results: RunResult[]
}

function compare(run: PlannedRun, parent: PlannedRun, tested: Tested): Blame {
  const { name } = parent
  const result = tested.results.find((one) => one.name === name)
  if (result !== undefined && isGreen(result)) return { class: 'new', reason: `${name} is green` }
  if (result !== undefined && isRed(result)) return { class: 'parent', reason: parent.patch!.run === run.patch!.run ? `${name} is red, too` : `${name} is red before it gets to this run` }
  const fault = faultOf(parent, tested)
  if (fault === undefined) return { class: 'parent', reason: `${name} was not run, since what it needs is red` }
  return { class: 'infra', reason: `${name}, with which it is to be compared, was not tested: ${fault.name} ${fault.verdict === 'cancelled' ? 'was cancelled' : 'errored'}` }
}

/** The run, or what it needs, where that was ended by no failure of the project. */
function faultOf({ name }: PlannedRun, { plan, results }: Tested): RunResult | undefined {
  const needed = new Set(withNeeds(plan, [name]).map((run) => run.name))
  return results.find((run) => needed.has(run.name) && (run.verdict === 'errored' || run.verdict === 'cancelled'))
}
