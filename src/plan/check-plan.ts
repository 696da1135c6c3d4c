import type { PlannedRun } from '../model/plan.ts'
import { isTrusted, type Request } from '../model/request.ts'
import { findCircle } from './find-circle.ts'
import { PlanError } from './plan-error.ts'

/** Runs in one plan, whatever the pipeline. */
export const mostRuns = 2000

export interface RunLimits {
  /** Runs in the whole plan of an untrusted request. */
  untrustedRuns: number
}

/** Services in one plan: they run beside each other, and beside the jobs that take turns. */
const mostServices = 20

/**
 * @throws {PlanError} where there are too many runs, two of one name, a need that is no run, a circle of needs, or a tree
 * that two runs could be in at once: it is handed from one user to the next only while nothing runs there; or a run that
 * waits for the turn of a service, which ends only after it
 */
export function checkRuns(runs: PlannedRun[], request: Request, settings: RunLimits): void {
  checkCount(runs.length, request, settings)
  const services = runs.filter((run) => run.service)
  if (services.length > mostServices) throw new PlanError(`the plan has ${services.length} services: expected at most ${mostServices}`)
  const byName = new Map<string, PlannedRun>()
  for (const run of runs) {
    if (byName.has(run.name)) throw new PlanError(`two runs are named "${run.name}": give each its own name`)
    byName.set(run.name, run)
  }
  for (const run of runs) {
    const stray = run.needs.find((need) => !byName.has(need))
    if (stray !== undefined) throw new PlanError(`the run "${run.name}" needs "${stray}", which is no run of this plan`)
    checkWorkspace(run, byName)
  }
  const circle = findCircle(runs)
  if (circle !== undefined) throw new PlanError(`these runs need each other in a circle: ${circle.join(' needs ')}`)
  for (const service of services) checkGroup(service, runs, byName)
}

/** A stranger says how many runs there are, and each takes this server's time. @throws {PlanError} where there are too many */
export function checkCount(count: number, request: Request, { untrustedRuns }: RunLimits): void {
  if (count > mostRuns) throw new PlanError(`the plan has ${count} runs: expected at most ${mostRuns}`)
  if (!isTrusted(request) && count > untrustedRuns) throw new PlanError(`the plan has ${count} runs: expected at most ${untrustedRuns} for an untrusted request (UNTRUSTED_RUNS in environment.sh)`)
}

function checkWorkspace({ name, workspace, needs, service }: PlannedRun, byName: Map<string, PlannedRun>): void {
  if (typeof workspace !== 'object') return
  const { from } = workspace
  if (!needs.includes(from)) throw new PlanError(`the run "${name}" works in the tree of "${from}", which it does not need: only a needed run has left its tree`)
  if (byName.get(from)?.service) throw new PlanError(`the run "${name}" works in the tree of "${from}", a service, which is still at work there: share files in $QUERN_SHARED`)
  if (service) throw new PlanError(`the service "${name}" works in the tree of "${from}", and would keep it from all others: share files in $QUERN_SHARED`)
}

/** A service has its turn until all jobs have ended. What it needs has ended before, and the runs of another patch come after. */
function checkGroup(service: PlannedRun, runs: PlannedRun[], byName: Map<string, PlannedRun>): void {
  const { name, group, patch } = service
  if (group === undefined) return
  const before = new Set([service])
  for (const { needs } of before) for (const need of needs) before.add(byName.get(need)!)
  const other = runs.find((run) => run.group === group && run.patch?.n === patch?.n && !before.has(run))
  if (other !== undefined) throw new PlanError(`the service "${name}" has the turn of the group "${group}" until all jobs have ended, and "${other.name}" would wait for it: give the group to only one of them`)
}
