import type { Request } from '../../src/model/request.ts'

/** A trusted request as a hand-dropped entry gives it, with what a test changes. */
export function aRequest(changes: Partial<Request> = {}): Request {
  return {
    repository: 'app',
    ref: 'refs/heads/main',
    commit_id: 'a'.repeat(40),
    committer_name: 'Ada Example',
    committer_email: 'ada@example.org',
    ...changes,
  }
}
