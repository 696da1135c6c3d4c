import type { LinkedRun } from './link-runs.ts'

/**
 * Names the runs that nobody named. A job alone in its plan names them by their containers, as BYA did; several jobs
 * by the job, and by what tells its runs apart: container and parameters.
 */
export function nameRuns(runs: LinkedRun[]): void {
  const jobs = new Set(runs.map((run) => run.job))
  for (const job of jobs) {
    const own = runs.filter((run) => run.job === job)
    for (const run of own) if (run.name === '') run.name = nameOf(run, { own, alone: jobs.size === 1 })
  }
}

function nameOf(run: LinkedRun, { own, alone }: { own: LinkedRun[]; alone: boolean }): string {
  const image = run.container?.image
  const containersDiffer = own.some((other) => other.container?.image !== image)
  const params = Object.entries(run.params).filter(([name, value]) => own.some((other) => other.params[name] !== value))
  return [
    ...(alone && image !== undefined ? [] : [run.job.definition.name]),
    ...(image !== undefined && (alone || containersDiffer) ? [image] : []),
    ...params.map(([name, value]) => `${name}=${value}`),
  ].join(' ')
}
