import { createHash } from 'node:crypto'
import { directoryName } from '../model/names.ts'
import { jobRefs, parseRequest, type Request, type RunChoice } from '../model/request.ts'
import type { JobDefinition } from './job-definition.ts'

/** A start of a job by a person. */
export interface JobStart {
  job: JobDefinition
  runs: RunChoice[]
  /** Who asks. */
  person: string
  /** What is to be built; without it the job is started for itself. */
  commit?: { repository: string; ref: string; commit_id: string; clone_url?: string | undefined } | undefined
}

/**
 * The request that starts a job. Where it is about no repository, it names the job in place of one: the ref is
 * `refs/jobs/<name>`, the commit the SHA-256 of the definition, so that records tell which state of it was run.
 * @throws {RequestError} naming each wrong field
 */
export function requestForJob({ job, runs, person, commit }: JobStart): Request {
  return parseRequest({
    ...(commit === undefined ? itself(job) : namesOf(commit)),
    committer_name: person,
    committer_email: '',
    source: 'command',
    trusted: true,
    pipeline: `job:${job.name}`,
    ...(runs.length > 0 && { runs }),
    received: new Date().toISOString(),
  })
}

function itself(job: JobDefinition): Partial<Request> {
  const safe = (name: string) => directoryName(name).replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[-.]+|\.lock$|\.$/g, '')
  const parts = job.name.split('/').map(safe)
  return { repository: parts.at(-1) || 'job', ref: `${jobRefs}${parts.filter((part) => part !== '').join('/') || 'job'}`, commit_id: createHash('sha256').update(JSON.stringify(job)).digest('hex') }
}

function namesOf({ repository, ...commit }: NonNullable<JobStart['commit']>): Partial<Request> {
  const short = repository.slice(repository.lastIndexOf('/') + 1)
  return { repository: short, ...(short !== repository && { full_name: repository }), ...commit }
}
