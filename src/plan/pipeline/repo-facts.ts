import { branchOf, isTrusted, type Request } from '../../model/request.ts'
import type { RepoFacts } from './define-jobs.ts'

/** What a pipeline file learns about its request. Strangers wrote most of it. */
export function repoFacts(request: Request, files: string[] | undefined): RepoFacts {
  const { ref, full_name: fullName, pull_request: pullRequest } = request
  return {
    name: request.repository,
    ...(fullName !== undefined && { fullName }),
    sha: request.commit_id,
    ref,
    ...(ref.startsWith('refs/heads/') && pullRequest === undefined && { branch: branchOf(request) }),
    ...(ref.startsWith('refs/tags/') && { tag: branchOf(request) }),
    message: request.message ?? '',
    author: { name: request.author_name ?? request.committer_name, email: request.author_email ?? request.committer_email },
    committer: { name: request.committer_name, email: request.committer_email },
    ...(files !== undefined && { files }),
    ...(pullRequest !== undefined && { pullRequest: { number: pullRequest.number, base: branchOf({ ...request, ref: pullRequest.base_ref }), ...(pullRequest.url !== undefined && { url: pullRequest.url }) } }),
    trusted: isTrusted(request),
  }
}
