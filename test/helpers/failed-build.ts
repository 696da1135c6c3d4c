import type { BuildResult, RunResult } from '../../src/model/build.ts'
import type { Plan, PlannedRun } from '../../src/model/plan.ts'
import type { Request } from '../../src/model/request.ts'

/** A failed build of script chunks, changed where a test needs it otherwise. */
export function failedBuild(change: { result?: Partial<BuildResult>; request?: Partial<Request>; plan?: Partial<Plan> } = {}): { result: BuildResult; request: Request; plan: Plan } {
  const commit = '0123456789abcdef0123456789abcdef01234567'
  const request: Request = { repository: 'app', full_name: 'acme/app', ref: 'refs/heads/main', commit_id: commit, committer_name: 'Ada Lovelace', committer_email: 'ada@example.org', ...change.request }
  const result: BuildResult = {
    pipeline: 'acme~app',
    number: 7,
    verdict: 'failed',
    attempt: 1,
    entry: '1700000000.000001-abc.json',
    repository: request.repository,
    full_name: 'acme/app',
    ref: request.ref,
    commit_id: request.commit_id,
    started: '2026-01-02T03:04:05.000Z',
    ended: '2026-01-02T03:05:17.000Z',
    runs: [failedRun('build')],
    ...change.result,
  }
  return { result, request, plan: { pipeline: 'chunks', why: 'nothing else was said', runs: result.runs.map(({ name }) => plannedRun(name)), notify: [], ...change.plan } }
}

export function failedRun(name: string, change: Partial<RunResult> = {}): RunResult {
  return { name, verdict: 'failed', code: 2, started: '2026-01-02T03:04:06.000Z', ended: '2026-01-02T03:05:16.000Z', ...change }
}

export function plannedRun(name: string, change: Partial<PlannedRun> = {}): PlannedRun {
  return { name, job: name, executor: 'shell', script: 'true', needs: [], workspace: 'none', env: {}, params: {}, secrets: [], timeout: 60, network: true, artifacts: [], ...change }
}
