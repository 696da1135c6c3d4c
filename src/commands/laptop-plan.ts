import type { Plan, PlannedRun } from '../model/plan.ts'
import { neededServices } from '../model/services.ts'
import { UserError } from './user-error.ts'

/** The plan as `quern run` carries it out: without deploys, or only the job that was named; where there is no sandbox, in the shell. */
export function laptopPlan(plan: Plan, { job, sandbox }: { job: string | undefined; sandbox: boolean }): Plan {
  const chosen = job === undefined ? withoutDeploys(plan) : onlyJob(plan, job)
  return sandbox ? chosen : { ...chosen, runs: chosen.runs.map((run) => (run.executor === 'sandbox' ? { ...run, executor: 'shell' } : run)) }
}

/** A person tries the jobs, and changes nothing in the world by that. */
function withoutDeploys(plan: Plan): Plan {
  return { ...plan, runs: plan.runs.map((run) => (run.deploy ? { ...run, skip: `it deploys, which "quern run" leaves to the server (--job ${JSON.stringify(run.name)} does it from here)` } : run)) }
}

/** The job, the services that it may use, and the jobs whose tree it takes over. */
function onlyJob(plan: Plan, name: string): Plan {
  const runs = new Map(plan.runs.map((run) => [run.name, run]))
  const chosen = runs.get(name)
  if (chosen === undefined) throw new UserError(`the pipeline has no job "${name}" here: expected one of ${[...runs.keys()].map((one) => `"${one}"`).join(', ')}`)
  const servicesOf = neededServices(plan.runs)
  const kept = new Set([chosen, ...treesOf(chosen, runs), ...servicesOf(chosen)].map((run) => run.name))
  // What it needs through jobs that are left out it needs itself now.
  const needsOf = (run: PlannedRun) => [...new Set([...run.needs, ...servicesOf(run).map((service) => service.name)])]
  return { ...plan, runs: plan.runs.filter((run) => kept.has(run.name)).map((run) => ({ ...run, needs: needsOf(run).filter((need) => kept.has(need)) })) }
}

/** The runs whose tree it takes over, one after the other. */
function treesOf({ workspace }: PlannedRun, runs: Map<string, PlannedRun>): PlannedRun[] {
  const before = typeof workspace === 'object' ? runs.get(workspace.from) : undefined
  return before === undefined ? [] : [before, ...treesOf(before, runs)]
}
