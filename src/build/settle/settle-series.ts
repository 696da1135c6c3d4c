import type { Commit } from '../../git/mirror.ts'
import type { Plan, PlannedRun, PlannedSeries } from '../../model/plan.ts'
import type { Request, Series } from '../../model/request.ts'
import type { Applied } from '../../patchwork/apply.ts'
import { commitMessageWarnings } from '../../patchwork/commit-message.ts'
import { supersededBy } from '../../patchwork/series-ledger.ts'
import { PipelineError } from '../../plan/pipeline/pipeline-error.ts'
import { checkCount } from '../../plan/check-plan.ts'
import type { Choice } from '../../plan/choose.ts'
import { executable, planAt } from './plan-patch.ts'
import { ofPipeline } from '../record-mistake.ts'
import { applyPatches, fetchTree, type SeriesContext } from './series-tree.ts'
import { lackingFile } from './settle.ts'
import { settleCompared } from './settle-compared.ts'
import type { MessageWarnings, Mistaken, Settled } from '../workshop.ts'

/**
 * Settles a mailed series: applies its patches in the mirror of the tree that quern.yaml names, and plans the pipeline once
 * for each patch that is to be tested, at that patch's commit. Of a commit that is built for blame's sake, only that one.
 */
export async function settleSeries(request: Request, series: Series, means: Pick<SeriesContext, 'settings' | 'turns' | 'signal' | 'leaveSeat'>): Promise<Settled | Mistaken | { ignored: string } | { cancelled: string }> {
  const { home, seriesSource } = means.settings
  const newer = request.blame === undefined ? supersededBy(home, series) : undefined
  if (newer !== undefined) return { cancelled: `superseded by version ${newer.version}, series ${newer.by}` }
  const open = seriesSource(series)
  if (open === undefined) return without(request, `quern.yaml names no project ${series.project} at ${series.server} any more`)
  const mirror = await fetchTree(request, open.source, means)
  const context: SeriesContext = { ...means, request, series, open, mirror }
  return request.blame === undefined ? settlePatches(context) : settleCompared(context)
}

/** A commit that could not be compared is no green one. */
function without({ blame }: Request, reason: string): { ignored: string } | { cancelled: string } {
  return blame === undefined ? { ignored: reason } : { cancelled: reason }
}

async function settlePatches(context: SeriesContext): Promise<Settled | { ignored: string }> {
  const { request } = context
  const applied = await applyPatches(context, request.commit_id)
  const { commits, messages } = await readMessages(context, applied)
  const plan = await planPatches(context, applied, commits)
  return 'ignored' in plan ? plan : { ...executable({ plan, request }, context), messages }
}

/** The commits by the number of their patch, 0 being the base. */
async function readMessages({ open, mirror }: SeriesContext, { base, patches }: Applied): Promise<{ commits: Map<number, Commit>; messages: MessageWarnings }> {
  const commits = new Map([[0, await mirror.readCommit(base)]])
  const messages = new Map<number, { context: string; description: string }[]>()
  for (const { id, n, commit, empty } of patches) {
    const read = await mirror.readCommit(commit)
    commits.set(n, read)
    if (empty === undefined) messages.set(id, commitMessageWarnings(read.message, open.source.commit_message))
  }
  return { commits, messages }
}

/** Plans every patch, or only the last one; to its pipeline each has changed what differs from the tested one before it, or from the base. */
async function planPatches(context: SeriesContext, applied: Applied, commits: Map<number, Commit>): Promise<Plan | { ignored: string }> {
  const { request, series, settings } = context
  const chosen = settings.choose(request)
  const becomes: PlannedSeries = { base: applied.base, patches: applied.patches, ...(applied.kind === 'not-applied' && { failed: applied.failed }) }
  const plan: Plan = { pipeline: chosen.pipeline, why: chosen.why, runs: [], notify: [], series: becomes }
  let ignored: string | undefined
  let before = applied.base
  for (const { n, commit } of testedPatches(series, becomes)) {
    const planned = await planPatch(context, chosen, { commit: commits.get(n)!, before, base: applied.base })
    if ('ignored' in planned) {
      ignored ??= planned.ignored
      continue
    }
    plan.runs.push(...runsAt(planned.runs, { n, commit }, series.patches.length > 1 ? `${n}/${series.patches.length}` : undefined))
    // Before the next patch is planned: a pipeline file is evaluated for each.
    checkCount(plan.runs.length, request, settings.plan)
    before = commit
  }
  if (ignored !== undefined && plan.runs.length === 0 && becomes.failed === undefined) return { ignored }
  return plan
}

function testedPatches({ each_patch: each }: Series, { patches, failed }: PlannedSeries): PlannedSeries['patches'] {
  if (each) return patches.filter(({ empty }) => empty === undefined)
  return failed === undefined ? patches.filter(({ empty }) => empty === undefined).slice(-1) : []
}

/** The runs at one patch; in their place the mistake that its pipeline file has. That a tree has no such file at all is no fault of the patch. */
async function planPatch(context: SeriesContext, chosen: Choice, { commit, before, base }: { commit: Commit; before: string; base: string }): Promise<Pick<Plan, 'runs'> | { ignored: string }> {
  const lacking = await lackingFile(chosen, commit.sha, context.mirror)
  if (lacking !== undefined && (await lackingFile(chosen, base, context.mirror)) !== undefined) return { ignored: lacking }
  try {
    return await planAt(context, chosen, { commit, before })
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    return { runs: [mistakenRun(error)] }
  }
}

function mistakenRun({ message, printed }: PipelineError): PlannedRun {
  return { name: ofPipeline, job: ofPipeline, mistake: { message, printed }, executor: 'sandbox', script: '', needs: [], workspace: 'none', env: {}, params: {}, secrets: [], timeout: 1, network: false, artifacts: [] }
}

/** The runs of a plan on one patch, under names of their own. */
function runsAt(runs: PlannedRun[], at: { n: number; commit: string }, mark: string | undefined): PlannedRun[] {
  const nameOf = (name: string) => (mark === undefined ? name : `${name} [${mark}]`)
  return runs.map((run) => ({
    ...run,
    name: nameOf(run.name),
    needs: run.needs.map(nameOf),
    workspace: typeof run.workspace === 'object' ? { from: nameOf(run.workspace.from) } : run.workspace,
    patch: { ...at, run: run.name },
  }))
}
