import type { LinkedJob } from './needed-jobs.ts'
import { PlanError } from './plan-error.ts'
import { defaultOf, type Container, type SettledChoice } from './settle-choice.ts'

/** A run that is to be, with the runs that it needs. */
export interface LinkedRun {
  /** Empty until `nameRuns`, where nobody chose one. */
  name: string
  job: LinkedJob
  container: Container | undefined
  params: Record<string, string>
  needs: LinkedRun[]
  /** The run whose tree it works in. */
  workspace: LinkedRun | undefined
}

/**
 * The chosen runs of a job and, before them, those that they need. A run needs, of each job in `needs`, the run in the
 * same container, or one in every container where that job does not list its own; parameters of the same name have
 * the same value, further ones their default. Equal runs are one.
 * @throws {PlanError} where a needed job cannot have the value of a parameter, or a workspace would be several
 */
export function linkRuns(job: LinkedJob, choices: SettledChoice[]): LinkedRun[] {
  const runs: LinkedRun[] = []
  const needed = new Map<string, LinkedRun>()
  for (const { name = '', container, params } of choices) add(job, { name, container, params })
  return runs

  function add(of: LinkedJob, { name, container, params }: { name: string; container: Container | undefined; params: Record<string, string> }): LinkedRun {
    const run: LinkedRun = { name, job: of, container, params, needs: [], workspace: undefined }
    for (const [word, need] of of.needs) {
      const before = containersFor(need, container).map((one) => once(need, one, paramsFor(need, run)))
      run.needs.push(...before)
      if (of.definition.workspace === word) run.workspace = onlyOne(before, run)
    }
    runs.push(run)
    return run
  }

  function once(need: LinkedJob, container: Container | undefined, params: Record<string, string>): LinkedRun {
    const key = JSON.stringify([need.definition.name, container?.image, params])
    const known = needed.get(key) ?? add(need, { name: '', container, params })
    needed.set(key, known)
    return known
  }
}

function containersFor({ definition }: LinkedJob, container: Container | undefined): (Container | undefined)[] {
  if (definition.containers.length === 0) return [undefined]
  const same = definition.containers.find(({ image }) => image === container?.image)
  return same === undefined ? definition.containers : [same]
}

function paramsFor({ definition }: LinkedJob, { job, params }: LinkedRun): Record<string, string> {
  return Object.fromEntries(
    definition.params.map((param) => {
      const value = params[param.name] ?? defaultOf(param)
      if (param.choices !== undefined && !param.choices.includes(value))
        throw new PlanError(`the job ${job.definition.name} needs ${definition.name}, whose parameter "${param.name}" cannot be "${value}": expected one of ${param.choices.join(', ')}`)
      return [param.name, value]
    }),
  )
}

function onlyOne(before: LinkedRun[], { job: { definition } }: LinkedRun): LinkedRun | undefined {
  if (before.length <= 1) return before[0]
  throw new PlanError(
    `the job ${definition.name} works in the tree of ${definition.workspace}, which runs in several containers (${before.map((run) => run.container?.image).join(', ')}): let ${definition.name} list one of them`,
  )
}
