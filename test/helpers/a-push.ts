import type { GitRepo } from './git-repo.ts'
import { payload } from './receiver.ts'

/** GitHub's delivery of a push of the newest commit of a repository, to be cloned from where it lies. */
export function aPush(repo: GitRepo, { ref = 'refs/heads/main', commit = repo.git('rev-parse', 'HEAD') }: { ref?: string; commit?: string } = {}) {
  const [author, authorEmail, committer, committerEmail, message] = repo.git('log', '-1', '--format=%an%x00%ae%x00%cn%x00%ce%x00%B', commit).split('\0')
  return payload('push', (body) => {
    Object.assign(body, { ref, after: commit })
    body.repository.clone_url = repo.path
    body.head_commit = { ...body.head_commit, id: commit, message, author: { name: author, email: authorEmail }, committer: { name: committer, email: committerEmail } }
  })
}
