import type { Commit, Mirror } from '../../git/mirror.ts'
import type { PlannedRun } from '../../model/plan.ts'
import type { Request } from '../../model/request.ts'
import { settlePlan, type Choice, type PlanSettings } from '../../plan/choose.ts'
import type { Planned } from '../../plan/planned.ts'
import { openDisclosure } from './disclose.ts'
import { withoutRequestValues } from '../blame/reusable.ts'
import type { SeriesContext } from './series-tree.ts'
import { withMirrorInside } from './settle.ts'
import type { Mount, Settled } from '../workshop.ts'

/** The pipeline as it is for one commit: it sees that commit and its author, not the series. @throws {PipelineError} where its file has a mistake */
export async function planAt(context: SeriesContext, chosen: Choice, { commit, before }: { commit: Commit; before?: string }): Promise<Planned> {
  const { mirror, settings, signal } = context
  const known: Request = { ...aboutCommit(context.request, commit), ...(before !== undefined && { before }) }
  const changedFiles = before === undefined ? undefined : await mirror.changedFiles(before, commit.sha)
  const checkOut = checkOutOf({ ...context, request: known })
  const evaluate: PlanSettings['evaluate'] = (path, repo) => settings.evaluate({ path, repo, request: known, checkOut }, signal)
  return settlePlan(known, chosen, { ...settings.plan, changedFiles, evaluate })
}

/** The request as one for that commit alone. */
export function aboutCommit(request: Request, { sha, author, committer, message }: Commit): Request {
  return { ...request, commit_id: sha, message, author_name: author.name, author_email: author.email, committer_name: committer.name, committer_email: committer.email }
}

/** What a build needs to execute the runs of a planned series or patch, as every untrusted request does: cloning from the mirror, and reusable runs told nothing of the request. */
export function executable<Known extends Pick<Settled, 'plan' | 'request'>>(settled: Known, context: SeriesContext): Known & Pick<Settled, 'checkOut' | 'disclose'> {
  const { mirror, settings } = context
  const plan = { ...settled.plan, runs: closed(settled.plan, mirror) }
  return { ...settled, plan, checkOut: checkOutOf({ ...context, request: settled.request }), disclose: openDisclosure(settings, { request: settled.request, plan, mirror }) }
}

function closed(plan: Settled['plan'], mirror: Mirror): PlannedRun[] {
  const whole = withMirrorInside(plan, mirror)
  return plan.pipeline === 'chunks' ? whole.runs : withoutRequestValues(whole).runs
}

/** Checks out any commit of the mirror. Submodules come by the network only, even where the tree is a path of this host. */
function checkOutOf({ request, mirror, settings, signal }: SeriesContext): (directory: string, commit?: string) => Promise<Mount[]> {
  return async (directory, commit = request.commit_id) => {
    const [{ checkOutWatched }, { openMirrors }] = await Promise.all([import('./check-out-watched.ts'), import('../../git/mirrors.ts')])
    const mirrors = openMirrors(settings.cache, { env: settings.gitWorld })
    return checkOutWatched({ mirrors, mirror, commit, directory, trusted: false, signal }, settings)
  }
}
