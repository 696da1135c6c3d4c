import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDirectory } from '../disk/write.ts'
import { cloneToken } from '../git/clone-token.ts'
import type { Commit, Mirror } from '../git/mirror.ts'
import type { Plan, PlannedRun, PlannedSeries } from '../model/plan.ts'
import type { Request, Series } from '../model/request.ts'
import { applySeries, type Applied } from '../patchwork/apply.ts'
import type { PatchworkClient } from '../patchwork/client.ts'
import { commitMessageWarnings } from '../patchwork/commit-message.ts'
import { isPassing } from '../patchwork/http.ts'
import { supersededBy } from '../patchwork/series-ledger.ts'
import type { PatchworkSource } from '../patchwork/settings.ts'
import { checkCount } from '../plan/check-plan.ts'
import { settlePlan, type Choice, type PlanSettings } from '../plan/choose.ts'
import { openDisclosure } from './disclose.ts'
import { withoutRequestValues } from './reusable.ts'
import { withMirrorInside, type SettlerSettings } from './settle.ts'
import type { Turns } from './turns.ts'
import { workDirectory } from './work-directory.ts'
import type { MessageWarnings, Mount, Settled } from './workshop.ts'

/** A project of quern.yaml, with what speaks to its server. */
export interface SeriesSource {
  source: PatchworkSource
  client: PatchworkClient
}

/** What the steps of settling a series hand on. */
interface Context {
  request: Request
  series: Series
  open: SeriesSource
  mirror: Mirror
  settings: SettlerSettings
  signal: AbortSignal
}

/** Milliseconds for which a server that does not answer is asked for the mails again, and between two tries at the beginning. */
const patience = 10 * 60_000
const firstPause = 2000

/**
 * Settles a mailed series: applies its patches in the mirror of the tree that quern.yaml names, and plans the pipeline once
 * for each patch that is to be tested, at that patch's commit. Two builds of one series apply it one after the other.
 */
export async function settleSeries(request: Request, series: Series, { settings, turns, signal }: { settings: SettlerSettings; turns: Turns; signal: AbortSignal }): Promise<Settled | { ignored: string } | { cancelled: string }> {
  const newer = supersededBy(settings.home, series)
  if (newer !== undefined) return { cancelled: `superseded by version ${newer.version}, series ${newer.by}` }
  const open = settings.seriesSource(series)
  if (open === undefined) return { ignored: `quern.yaml names no project ${series.project} at ${series.server} any more` }
  const mirror = await fetchTree(request, open.source, settings, signal)
  const context: Context = { request, series, open, mirror, settings, signal }
  const applied = await inTurn(turns, series, () => patiently(signal, () => apply(context)))
  const { commits, warnings } = await readMessages(context, applied)
  const planned = await planPatches(context, applied, commits)
  if ('ignored' in planned) return planned
  const plan = prepared(planned, mirror)
  return { plan, request, checkOut: checkOutOf(context), disclose: openDisclosure(settings, { request, plan, mirror }), messages: warnings }
}

/** As every untrusted request is: cloning from the mirror, and reusable runs told nothing of the request. */
function prepared(plan: Plan, mirror: Mirror): Plan {
  const { series } = plan
  const closed = (runs: PlannedRun[]): PlannedRun[] => {
    const whole = withMirrorInside({ ...plan, runs }, mirror)
    return plan.pipeline === 'chunks' ? whole.runs : withoutRequestValues(whole).runs
  }
  return { ...plan, runs: closed(plan.runs), ...(series && { series: { ...series, base_runs: closed(series.base_runs) } }) }
}

/** The tree of this server's own settings, which may be a path of this host. */
async function fetchTree({ commit_id: commit, ref }: Request, { tree }: PatchworkSource, { cache, gitWorld, token }: SettlerSettings, signal: AbortSignal): Promise<Mirror> {
  const { openMirrors } = await import('../git/mirrors.ts')
  return openMirrors(cache, { env: gitWorld, localPaths: true }).fetchMirror(tree, { commit, refs: [ref], token: cloneToken(tree, token), signal })
}

async function apply({ request, series, open, mirror, settings, signal }: Context): Promise<Applied> {
  const directory = mkdtempSync(join(makeDirectory(workDirectory(settings.home)), 'apply-'))
  try {
    return await applySeries({ client: open.client, mirror, series, tip: request.commit_id, exclude: open.source.exclude ?? [], directory: join(directory, 'trees'), signal })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function inTurn<T>(turns: Turns, { server, id }: Series, work: () => Promise<T>): Promise<T> {
  const end = await turns.wait(`${server} ${id}`)
  try {
    return await work()
  } finally {
    end()
  }
}

/** A Patchwork server can be away for minutes. @throws what the last try threw */
async function patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const end = Date.now() + patience
  for (let pause = firstPause; ; pause = Math.min(2 * pause, 60_000)) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error) || Date.now() + pause > end) throw error
    }
    await sleep(pause, undefined, { signal })
  }
}

/** The commits by the number of their patch, 0 being the base. */
async function readMessages({ open, mirror }: Context, { base, patches }: Applied): Promise<{ commits: Map<number, Commit>; warnings: MessageWarnings }> {
  const commits = new Map([[0, await mirror.readCommit(base)]])
  const warnings = new Map<number, { context: string; description: string }[]>()
  for (const { id, n, commit, empty } of patches) {
    const read = await mirror.readCommit(commit)
    commits.set(n, read)
    if (empty === undefined) warnings.set(id, commitMessageWarnings(read.message, open.source.commit_message))
  }
  return { commits, warnings }
}

/** Plans every patch, or only the last one; each is compared with the one before it, the first with the base. */
async function planPatches(context: Context, applied: Applied, commits: Map<number, Commit>): Promise<Plan | { ignored: string }> {
  const { request, series, settings } = context
  const chosen = settings.choose(request)
  const becomes: PlannedSeries = { base: applied.base, base_tree: commits.get(0)!.tree, patches: [...applied.patches], ...(applied.kind === 'not-applied' && { failed: applied.failed }), base_runs: [] }
  const plan: Plan = { pipeline: chosen.pipeline, why: chosen.why, runs: [], notify: [], series: becomes }
  let ignored: string | undefined
  let parent = 0
  for (const patch of testedPatches(series, becomes)) {
    const planned = await planAt(context, chosen, { commit: commits.get(patch.n)!, before: commits.get(parent)!.sha })
    if ('ignored' in planned) {
      ignored ??= planned.ignored
      continue
    }
    patch.parent = parent
    plan.runs.push(...runsAt(planned.runs, { n: patch.n, commit: patch.commit }, series.patches.length > 1 ? `${patch.n}/${series.patches.length}` : undefined))
    // Before the next patch is planned: a pipeline file is evaluated for each.
    checkCount(plan.runs.length, request, settings.plan)
    if (parent === 0) becomes.base_runs = await baseRuns(context, chosen, commits.get(0)!)
    parent = patch.n
  }
  if (ignored !== undefined && plan.runs.length === 0 && becomes.failed === undefined) return { ignored }
  return plan
}

function testedPatches({ each_patch: each }: Series, { patches, failed }: PlannedSeries): PlannedSeries['patches'] {
  if (each) return patches.filter(({ empty }) => empty === undefined)
  return failed === undefined ? patches.filter(({ empty }) => empty === undefined).slice(-1) : []
}

/** What would be run on the base; nothing where the pipeline has nothing for it or cannot be planned there. */
async function baseRuns(context: Context, chosen: Choice, base: Commit): Promise<PlannedRun[]> {
  const planned = await planAt(context, chosen, { commit: base, before: undefined }).catch(() => undefined)
  return planned === undefined || 'ignored' in planned ? [] : runsAt(planned.runs, { n: 0, commit: base.sha }, 'base')
}

/** The pipeline as it is for one commit: it sees that commit and its author, not the series. */
async function planAt(context: Context, chosen: Choice, { commit, before }: { commit: Commit; before: string | undefined }): Promise<Plan | { ignored: string }> {
  const { request, mirror, settings, signal } = context
  const { sha, author, committer, message } = commit
  const known: Request = { ...request, commit_id: sha, message, author_name: author.name, author_email: author.email, committer_name: committer.name, committer_email: committer.email, ...(before !== undefined && { before }) }
  const changedFiles = before === undefined ? undefined : await mirror.changedFiles(before, sha)
  const checkOut = checkOutOf({ ...context, request: known })
  const evaluate: PlanSettings['evaluate'] = (path, repo) => settings.evaluate({ path, repo, request: known, checkOut }, signal)
  return settlePlan(known, chosen, { ...settings.plan, changedFiles, evaluate })
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

/** Checks out any commit of the mirror. Submodules come by the network only, even where the tree is a path of this host. */
function checkOutOf({ request, mirror, settings, signal }: Context): (directory: string, commit?: string) => Promise<Mount[]> {
  return async (directory, commit = request.commit_id) => {
    const [{ checkOut }, { openMirrors }] = await Promise.all([import('../git/check-out.ts'), import('../git/mirrors.ts')])
    const mirrors = openMirrors(settings.cache, { env: settings.gitWorld })
    const { mounts } = await checkOut({ mirrors, mirror, commit, directory, trusted: false, signal })
    return mounts
  }
}
