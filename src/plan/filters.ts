import picomatch from 'picomatch'
import { branchOf, startedByPerson, type Request } from '../model/request.ts'
import type { JobDefinition } from './job-definition.ts'

/**
 * Why the job's `refs` and `paths` leave a request out, or undefined. Who starts a job by name gets it.
 * @param changedFiles what the request changes, relative to the repository; unknown files leave nothing out
 */
export function leftOut(job: JobDefinition, request: Request, changedFiles: string[] | undefined): string | undefined {
  if (startedByPerson(request)) return undefined
  if (job.refs !== undefined && !picomatch.isMatch(request.ref, job.refs) && !picomatch.isMatch(branchOf(request), job.refs))
    return `ref ${request.ref} is not among the refs of the job ${job.name} (${job.refs.join(', ')})`
  if (job.paths !== undefined && changedFiles !== undefined && !changedFiles.some((file) => picomatch.isMatch(file, job.paths!, { dot: true })))
    return `no changed file is among the paths of the job ${job.name} (${job.paths.join(', ')})`
  return undefined
}
