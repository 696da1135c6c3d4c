import type { Request } from '../model/request.ts'
import { branchOf, namesCommit } from '../model/request.ts'
import { cloneUrlOf, type CloneSettings } from './clone-url.ts'

/** The names of what a run learns about its request; a job definition cannot define them. */
export const requestVariables = ['REPOSITORY', 'REF', 'COMMIT_ID', 'COMMITTER_NAME', 'COMMITTER_EMAIL', 'BRANCH', 'CLONE_URL', 'FULL_NAME', 'TAG', 'BEFORE', 'MESSAGE', 'AUTHOR_NAME', 'AUTHOR_EMAIL', 'PULL_REQUEST', 'BASE_REF', 'BASE_COMMIT'] as const

const always = { CI: 'true', QUERN: 'true' }

/**
 * What every run learns about its request, whatever the pipeline. Strangers wrote most of these values: they are
 * environment, never shell text (law 3). A value that the request does not have is absent, not empty, save for the
 * five that amp_ci's chunks count on.
 * @throws {PlanError} where the repository has no address to clone from
 */
export function requestEnvironment(request: Request, clone: CloneSettings): Record<string, string> {
  if (!namesCommit(request)) return always
  const values: Record<(typeof requestVariables)[number], string | undefined> = {
    REPOSITORY: request.repository,
    REF: request.ref,
    COMMIT_ID: request.commit_id,
    COMMITTER_NAME: request.committer_name,
    COMMITTER_EMAIL: request.committer_email,
    BRANCH: branchOf(request),
    CLONE_URL: cloneUrlOf(request, clone),
    FULL_NAME: request.full_name,
    TAG: /^refs\/tags\/(.+)$/.exec(request.ref)?.[1],
    BEFORE: request.before,
    MESSAGE: request.message,
    AUTHOR_NAME: request.author_name,
    AUTHOR_EMAIL: request.author_email,
    PULL_REQUEST: request.pull_request?.number.toString(),
    BASE_REF: request.pull_request?.base_ref,
    BASE_COMMIT: request.pull_request?.base_commit,
  }
  return { ...always, ...present(values) }
}

function present(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
