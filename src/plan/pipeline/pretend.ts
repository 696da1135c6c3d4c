/** A request as a test of a pipeline pretends it; what is not said is a push to `main`. */
export interface Pretended {
  /** `owner/name` */
  repository?: string
  branch?: string
  /** In place of a branch. */
  tag?: string
  sha?: string
  message?: string
  author?: { name: string; email: string }
  /** The changed files; without them nothing is known of what changed. */
  files?: string[]
  pullRequest?: { number: number; base?: string }
  /** Whether somebody with write access sent it. */
  trusted?: boolean
}

/** The data of such a request; not yet checked. */
export function pretend({ repository = 'example/app', branch = 'main', tag, sha = 'a'.repeat(40), message = 'Change', author, pullRequest, trusted = true }: Pretended): unknown {
  const { name, email } = author ?? { name: 'Ada Example', email: 'ada@example.org' }
  const short = repository.slice(repository.lastIndexOf('/') + 1)
  return {
    repository: short,
    ...(short !== repository && { full_name: repository }),
    ref: pullRequest === undefined ? (tag === undefined ? `refs/heads/${branch}` : `refs/tags/${tag}`) : `refs/pull/${pullRequest.number}/head`,
    commit_id: sha.padEnd(40, '0'),
    committer_name: name,
    committer_email: email,
    message,
    clone_url: `https://localhost/${repository}.git`,
    source: 'command',
    trusted,
    ...(pullRequest !== undefined && { pull_request: { number: pullRequest.number, base_ref: `refs/heads/${pullRequest.base ?? 'main'}` } }),
  }
}
