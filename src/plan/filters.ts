import { branchOf, startedByPerson, type Request } from '../model/request.ts'
import { fitsOneOf } from './fits-one-of.ts'
import type { JobDefinition } from './job-definition.ts'

/**
 * Why the job's `refs` and `paths` leave a request out, or undefined. Who starts a job by name gets it, and so does a
 * commit with which a failure is compared.
 * @param changedFiles what the request changes, relative to the repository; unknown files leave nothing out
 */
export function leftOut(job: JobDefinition, request: Request, changedFiles: string[] | undefined): string | undefined {
  if (startedByPerson(request) || request.blame !== undefined) return undefined
  // A pull request is wanted for the branch that it goes into.
  const ref = request.pull_request?.base_ref ?? request.ref
  if (job.refs !== undefined && !isAmong(job.refs, request, ref)) return `ref ${ref} is not among the refs of the job ${job.name} (${job.refs.join(', ')})`
  if (job.paths !== undefined && changedFiles !== undefined && !changedFiles.some((file) => fitsOneOf(file, job.paths!)))
    return `no changed file is among the paths of the job ${job.name} (${job.paths.join(', ')})`
  return undefined
}

/** Patterns that begin with `refs/` mean full refs, others the names of branches and tags. */
function isAmong(refs: string[], request: Request, ref: string): boolean {
  const full = refs.filter((pattern) => pattern.startsWith('refs/'))
  const short = refs.filter((pattern) => !pattern.startsWith('refs/'))
  return fitsOneOf(ref, full) || fitsOneOf(branchOf({ ...request, ref }), short)
}
