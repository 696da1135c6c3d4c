import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import type { RunResult } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import type { Plan, PlannedRun, PlannedSeries } from '../model/plan.ts'
import { newWarnings } from '../patchwork/new-warnings.ts'
import { jobContext, type PatchworkCheck } from '../publish/patchwork-check.ts'
import { readRunExcerpt } from '../report/run-excerpt.ts'
import { parentOf } from './blame-series.ts'
import { warningsOf } from './run-warnings.ts'
import { isRed } from './second-try.ts'
import type { Finished } from './workshop.ts'

/** What is told of one job on one patch. */
export interface Judgement {
  /** The patch's id on the server. */
  patch: number
  /** The job as checks name it. */
  context: string
  /** The run that speaks for it; none where none was planned. */
  run?: string | undefined
  state: Exclude<PatchworkCheck['state'], 'pending'>
  /** What happened, on one line. */
  line: string
  /** The first error with the lines around it. */
  excerpt?: string
  /** Whether the patch's author is to hear of it. */
  blamed: boolean
}

/** From mildest to gravest. */
const states = ['success', 'warning', 'fail'] as const

/** Judges each job on each patch of a finished build: the gravest of its runs speaks for it. None where the build was never planned. */
export async function judgePatches(finished: Finished, home: string): Promise<Judgement[]> {
  const plan = finished.plan ?? earlierPlan(finished.directory)
  const { series } = plan ?? {}
  if (plan === undefined || series === undefined) return []
  const judged = new Map<string, Judgement>()
  for (const run of plan.runs) {
    const judgement = await judge(run, { plan, finished, home })
    if (judgement === undefined) continue
    const key = `${judgement.patch} ${judgement.context}`
    const known = judged.get(key)
    if (known === undefined || states.indexOf(judgement.state) > states.indexOf(known.state)) judged.set(key, { ...judgement, blamed: judgement.blamed || known?.blamed === true })
  }
  return [...judged.values(), ...untested(plan, series, finished.result.runs)]
}

/** The contexts on each patch of which a judgement will be told, with a run that speaks for each. */
export function contextsOf({ runs, series }: Plan): Pick<Judgement, 'patch' | 'context' | 'run'>[] {
  const contexts = new Map<string, Pick<Judgement, 'patch' | 'context' | 'run'>>()
  for (const run of runs) {
    const patch = series?.patches.find(({ n }) => n === run.patch?.n)
    if (patch === undefined || !isTold(run)) continue
    const context = jobContext(run.job)
    contexts.set(`${patch.id} ${context}`, { patch: patch.id, context, run: run.name })
  }
  return [...contexts.values()]
}

/** A builder may have died after the checks were announced, and its successor before it had planned. */
function earlierPlan(directory: string): Plan | undefined {
  const text = readIfThere(join(directory, 'plan.json'))
  return text === undefined ? undefined : (JSON.parse(text) as Plan)
}

/** Services and what the plan leaves out are nobody's concern. */
function isTold({ service, skip }: PlannedRun): boolean {
  return !service && skip === undefined
}

interface Surroundings {
  plan: Plan
  finished: Finished
  home: string
}

async function judge(run: PlannedRun, around: Surroundings): Promise<Judgement | undefined> {
  const { plan, finished } = around
  const patch = plan.series!.patches.find(({ n }) => n === run.patch?.n)
  if (patch === undefined || !isTold(run)) return undefined
  const result: RunResult = finished.result.runs.find(({ name }) => name === run.name) ?? { name: run.name, verdict: finished.result.verdict, reason: finished.result.reason ?? 'it was not run' }
  const told = { patch: patch.id, context: jobContext(run.job), run: run.name, blamed: isRed(result) && (result.blame === undefined || result.blame.class === 'new') }
  if (result.verdict === 'passed') return { ...told, ...(await judgePassed(run, result, around)) }
  if (isRed(result)) return { ...told, ...(await judgeFailed(result, finished)) }
  if (result.verdict === 'skipped') return { ...told, state: 'warning', line: `not run: ${result.reason ?? 'it was skipped'}` }
  const what = result.verdict === 'cancelled' ? 'cancelled' : 'not tested, by a fault of this server'
  return { ...told, state: 'warning', line: result.reason === undefined ? what : `${what}: ${result.reason}` }
}

async function judgePassed(run: PlannedRun, result: RunResult, { plan, finished, home }: Surroundings): Promise<Pick<Judgement, 'state' | 'line' | 'excerpt'>> {
  const now = await warningsOf(home, finished.result, result)
  const parent = now.size === 0 ? undefined : parentOf(plan, run, finished.result.runs)
  if (parent === undefined || parent.verdict === 'skipped' || parent.verdict === 'cancelled' || parent.verdict === 'errored') return { state: 'success', line: 'passed' }
  const before = await warningsOf(home, finished.result, parent)
  const added = newWarnings(before, now)
  if (added.length === 0) return { state: 'success', line: 'passed' }
  const lines = added.slice(0, 20).map(({ file, text }) => `${file}: ${text}`)
  return { state: 'warning', line: `new warning${added.length === 1 ? '' : `s (${added.length})`}: ${lines[0]}`, ...(lines.length > 1 && { excerpt: lines.join('\n') }) }
}

async function judgeFailed({ name, verdict, code, reason, blame }: RunResult, { directory }: Finished): Promise<Pick<Judgement, 'state' | 'line' | 'excerpt'>> {
  const { digest } = await readRunExcerpt(join(directory, 'runs', directoryName(name)), 0)
  const what = reason ?? digest?.text.trim() ?? (verdict === 'timed-out' ? 'timed out' : `failed with exit code ${code}`)
  const told = { line: what, ...(digest !== undefined && { excerpt: digest.lines.join('\n') }) }
  if (blame === undefined || blame.class === 'new') return { state: 'fail', ...told }
  return { state: 'warning', ...told, line: `${prefixes[blame.class]}: ${what}` }
}

const prefixes = {
  parent: 'fails before this patch, too',
  flaky: 'failed, then passed on the same tree',
  infra: 'failed, and could not be compared with what was before this patch',
  'not-applied': 'does not apply',
}

/** What no run speaks for: the patch that does not apply, and those that change nothing. */
function untested(plan: Plan, { patches, failed }: PlannedSeries, runs: RunResult[]): Judgement[] {
  const contexts = [...new Set([...plan.runs, ...plan.series!.base_runs].filter(isTold).map(({ job }) => jobContext(job)))]
  const all = contexts.length > 0 ? contexts : ['apply']
  const empty = patches.flatMap(({ id, empty: line }) => (line === undefined ? [] : all.map((context) => ({ patch: id, context, state: 'warning' as const, line: `nothing to build: ${line}`, blamed: false }))))
  if (failed === undefined) return empty
  return [...empty, { patch: failed.id, context: 'apply', run: runs.find(({ verdict }) => verdict === 'not-applied')?.name, state: 'warning', line: `does not apply: ${failed.reason}`, blamed: false }]
}
