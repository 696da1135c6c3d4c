import { buildName, parseBuildName, type BuildId } from '../../model/build.ts'
import type { Request } from '../../model/request.ts'

/**
 * The request that builds another commit for blame's sake: in the same lane and by the same pipeline, only these runs and
 * what they need. It has an id of its own, so that it is one entry however often it is asked for. Of a mailed series it keeps
 * what a patch's commit can be made from again.
 */
export function blameRequest(request: Request, { build, pipeline, commit, runs }: { build: BuildId; pipeline: string; commit: string; runs: string[] }): Request {
  const { before: _before, message: _message, author_name: _an, author_email: _ae, pusher_name: _pn, pusher_email: _pe, retry_of: _retry, ...kept } = request
  return {
    ...kept,
    pipeline,
    commit_id: commit,
    // Settling reads them from the commit.
    committer_name: '',
    committer_email: '',
    hook: 'blame',
    delivery: `${buildName(build)} ${commit}`,
    received: new Date().toISOString(),
    blame: { for: buildName(build), runs, ...(request.series !== undefined && { tip: request.commit_id }) },
  }
}

/** The build whose failure the request is to explain. */
export function explains({ blame }: Request): BuildId | undefined {
  return blame === undefined ? undefined : parseBuildName(blame.for)
}
