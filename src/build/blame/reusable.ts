import type { Plan, PlannedRun } from '../../model/plan.ts'
import { requestVariables } from '../../plan/environment.ts'
import { mirrorInside } from '../settle/settle.ts'

/*
 * Which verdicts may be taken from an earlier build of the same tree. The rule: what a run cannot see, its verdict cannot
 * depend on. A run in a sandbox or container without network, secrets, host directories, engine and services, whose
 * definition names no value of the request nor the directory that runs share, gets none of these, and is reusable. The
 * job's own `reuse` says otherwise; but a service is there for others, and what acts on the world acts each time.
 */

/** What a run is told of its request and build, besides its tree. */
const told: readonly string[] = [...requestVariables, 'BUILD_NUMBER', 'QUERN_SHARED']

const naming = new RegExp(`(?<![A-Za-z0-9_])(?:${told.join('|')})(?![A-Za-z0-9_])`)

/** The names of the reusable runs: those that are so themselves and need no other, or of which the job says so. */
export function reusableRuns({ runs }: Plan): Set<string> {
  const byName = new Map(runs.map((run) => [run.name, run]))
  const known = new Map<string, boolean>()
  const isReusable = (name: string): boolean => {
    const run = byName.get(name)!
    const answer = known.get(name) ?? (run.deploy !== true && run.service !== true && (run.reuse ?? (isClosed(run) && run.needs.every(isReusable))))
    known.set(name, answer)
    return answer
  }
  return new Set(runs.filter(({ name }) => isReusable(name)).map(({ name }) => name))
}

/** The plan in which no reusable run is told of the request, unless its job itself says that it may be reused. */
export function withoutRequestValues(plan: Plan): Plan {
  const reusable = reusableRuns(plan)
  const closed = (run: PlannedRun): PlannedRun => {
    const { mounts: _, ...rest } = run
    return { ...rest, env: withoutValues(run.env), closed: true }
  }
  return { ...plan, runs: plan.runs.map((run) => (reusable.has(run.name) && run.reuse === undefined ? closed(run) : run)) }
}

/** The environment without what only the request says. */
export function withoutValues(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !told.includes(name)))
}

/** Whether nothing but the tree, the definition and the toolchain can make a difference. */
function isClosed(run: PlannedRun): boolean {
  if (run.network || run.executor === 'shell' || run.secrets.length > 0 || run.engine === true || run.workspace === 'none') return false
  return (run.mounts ?? []).every(({ to }) => to === mirrorInside) && ![run.script, ...Object.values(withoutValues(run.env))].some((text) => naming.test(text))
}
