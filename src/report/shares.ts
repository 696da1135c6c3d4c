import type { Blame, BuildResult, RunResult } from '../model/build.ts'
import { worst } from '../model/verdict.ts'
import type { Request } from '../model/request.ts'

/** A build as one group of people is told of it: only the failures that are theirs. */
interface Told {
  result: BuildResult
  request: Request
}

/**
 * Divides a build whose failures have their classes: a share for each author of new ones, and one for whoever runs this
 * server. Failures that are the parent's, or flaky, are told to nobody.
 */
export function sharesOf<Build extends Told>(build: Build): Build[] {
  const { result } = build
  const failures = result.runs.filter((run): run is Failure => run.blame !== undefined && run.repeats === undefined)
  const news = groupByAuthor(failures.filter(({ blame }) => blame.class === 'new'))
  const ours = failures.filter(({ blame }) => blame.class === 'infra')
  const shares = [...news.values()].map((runs) => shareOfAuthor(build, runs))
  if (ours.length > 0 || result.blame?.class === 'infra') shares.push({ ...build, result: { ...result, verdict: 'errored', runs: ours, ...(ours[0] && { reason: ours[0].blame.reason }) } })
  return shares
}

type Failure = RunResult & { blame: Blame }

function groupByAuthor(failures: Failure[]): Map<string, Failure[]> {
  const groups = new Map<string, Failure[]>()
  for (const failure of failures) {
    const { commit, author_email: author } = failure.blame
    const key = commit === undefined ? '' : (author?.toLowerCase() ?? commit)
    groups.set(key, [...(groups.get(key) ?? []), failure])
  }
  return groups
}

/** Told as a failure of the first bad commit, by the words that tell how it was found. */
function shareOfAuthor<Build extends Told>(build: Build, runs: Failure[]): Build {
  const { result, request } = build
  const { commit, author_name: name = '', author_email: email = '', reason } = runs[0]!.blame
  const verdict = worst(runs.map((run) => run.verdict))
  if (commit === undefined || commit === result.commit_id) return { ...build, result: { ...result, verdict, runs } }
  const { pusher_name: _name, pusher_email: _email, ...rest } = request
  return {
    ...build,
    result: { ...result, verdict, runs, commit_id: commit, reason: `${reason}; it was pushed with ${result.commit_id}` },
    request: { ...rest, commit_id: commit, committer_name: name, committer_email: email, author_name: name, author_email: email },
  }
}
