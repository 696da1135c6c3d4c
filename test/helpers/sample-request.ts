import { parseRequest, type Request } from '../../src/model/request.ts'

/** A valid request; what matters to the test is given. */
export function sampleRequest(given: Partial<Request> = {}): Request {
  return parseRequest({
    repository: 'tool',
    ref: 'refs/heads/main',
    commit_id: '1234567890abcdef1234567890abcdef12345678',
    committer_name: 'Ada Example',
    committer_email: 'ada@example.org',
    ...given,
  })
}
