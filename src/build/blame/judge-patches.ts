import { join } from 'node:path'
import { readIfThere } from '../../disk/read.ts'
import type { Plan, PlannedRun, PlannedSeries } from '../../model/plan.ts'
import type { Request } from '../../model/request.ts'
import { wholeJson } from '../../model/whole-json.ts'
import { contextOf, judgeRun, patchAt, type Judgement } from './judge-run.ts'
import type { Finished } from '../workshop.ts'

/** From mildest to gravest. */
const states = ['success', 'warning', 'fail'] as const

/**
 * Judges each job on each patch of a finished build: the gravest of its runs speaks for it. Nothing is said yet of jobs
 * of which a run is open, and of none where the build was never planned.
 */
export async function judgePatches(finished: Finished, home: string): Promise<Judgement[]> {
  const plan = finished.plan ?? earlierPlan(finished.directory)
  const { series } = plan ?? {}
  if (plan === undefined || series === undefined) return []
  const open = new Set(plan.runs.filter(({ name }) => finished.open?.includes(name)).map((run) => placeOf(plan, run, finished.request)))
  const told = plan.runs.filter((run) => patchAt(plan, run) !== undefined && isTold(run) && !open.has(placeOf(plan, run, finished.request)))
  const judged = new Map<string, Judgement>()
  for (const run of told) {
    for (const judgement of await judgeRun(run, { plan: { ...plan, series }, finished, home })) {
      const key = `${judgement.patch} ${judgement.context}`
      judged.set(key, graver(judgement, judged.get(key)))
    }
  }
  return [...judged.values(), ...untested(plan, series, finished)]
}

/** The contexts on each patch of which a judgement will be told, with a run that speaks for each. A pipeline file with a mistake is judged already. */
export function contextsOf(plan: Plan, request: Request): Pick<Judgement, 'patch' | 'context' | 'run'>[] {
  const contexts = new Map<string, Pick<Judgement, 'patch' | 'context' | 'run'>>()
  for (const run of plan.runs) {
    const patch = patchAt(plan, run)
    if (patch === undefined || !isTold(run) || run.mistake !== undefined) continue
    const context = contextOf(run, plan, request)
    contexts.set(`${patch.id} ${context}`, { patch: patch.id, context, run: run.name })
  }
  return [...contexts.values()]
}

/** A builder may have died after the checks were announced, and its successor before it had planned. */
function earlierPlan(directory: string): Plan | undefined {
  return wholeJson(readIfThere(join(directory, 'plan.json'))) as Plan | undefined
}

/** Services and what the plan leaves out are nobody's concern. */
function isTold({ service, skip }: PlannedRun): boolean {
  return !service && skip === undefined
}

/** Where a run's check stands. */
function placeOf(plan: Plan, run: PlannedRun, request: Request): string {
  return `${patchAt(plan, run)?.id} ${contextOf(run, plan, request)}`
}

function graver(one: Judgement, other: Judgement | undefined): Judgement {
  if (other === undefined) return one
  const gravest = states.indexOf(one.state) > states.indexOf(other.state) ? one : other
  return { ...gravest, blamed: one.blamed || other.blamed }
}

/** What no run speaks for: the patch that does not apply, and those that change nothing. */
function untested(plan: Plan, { patches, failed }: PlannedSeries, { request, result: { runs } }: Finished): Judgement[] {
  const contexts = [...new Set(plan.runs.filter((run) => isTold(run) && run.mistake === undefined).map((run) => contextOf(run, plan, request)))]
  const all = contexts.length > 0 ? contexts : ['apply']
  const empty = patches.flatMap(({ id, empty: line }) => (line === undefined ? [] : all.map((context) => ({ patch: id, context, state: 'warning' as const, line: `nothing to build: ${line}`, blamed: false }))))
  if (failed === undefined) return empty
  return [...empty, { patch: failed.id, context: 'apply', run: runs.find(({ verdict }) => verdict === 'not-applied')?.name, state: 'warning', line: `does not apply: ${failed.reason}`, blamed: false }]
}
