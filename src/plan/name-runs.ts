import type { LinkedRun } from './link-runs.ts'
import type { LinkedJob } from './needed-jobs.ts'

/**
 * Names the runs that nobody named. A job alone in its plan names them by their containers, as BYA did; several jobs
 * by the job (without its folder, where that is clear), and by what tells its runs apart: container and parameters.
 */
export function nameRuns(runs: LinkedRun[]): void {
  const jobs = new Set(runs.map((run) => run.job))
  for (const job of jobs) {
    const own = runs.filter((run) => run.job === job)
    for (const run of own) if (run.name === '') run.name = nameOf(run, { own, alone: jobs.size === 1, job: shortest(job, jobs) })
  }
}

function nameOf(run: LinkedRun, { own, alone, job }: { own: LinkedRun[]; alone: boolean; job: string }): string {
  const image = run.container?.image
  const containersDiffer = own.some((other) => other.container?.image !== image)
  const params = Object.entries(run.params).filter(([name, value]) => own.some((other) => other.params[name] !== value))
  return [
    ...(alone && image !== undefined ? [] : [job]),
    ...(image !== undefined && (alone || containersDiffer) ? [image] : []),
    ...params.map(([name, value]) => `${name}=${value}`),
  ].join(' ')
}

function shortest(job: LinkedJob, jobs: Set<LinkedJob>): string {
  const last = ({ definition }: LinkedJob) => definition.name.slice(definition.name.lastIndexOf('/') + 1)
  const clear = [...jobs].every((other) => other === job || last(other) !== last(job))
  return clear ? last(job) : job.definition.name
}
