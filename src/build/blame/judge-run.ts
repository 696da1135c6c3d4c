import { join } from 'node:path'
import { isRed, type RunResult } from '../../model/build.ts'
import { directoryName } from '../../model/names.ts'
import type { Plan, PlannedRun, PlannedSeries } from '../../model/plan.ts'
import type { Request } from '../../model/request.ts'
import { newWarnings, type Warnings } from '../../patchwork/new-warnings.ts'
import { jobContext, type PatchworkCheck } from '../../publish/patchwork-check.ts'
import { readRunExcerpt } from '../../report/run-excerpt.ts'
import { parentOf } from './blame-series.ts'
import { warningsIn, warningsOf } from './run-warnings.ts'
import type { Finished } from '../workshop.ts'

/** What is told of one job on one patch. */
export interface Judgement {
  /** The patch's id on the server. */
  patch: number
  /** The job as checks name it. */
  context: string
  /** The run that speaks for it, none where none was planned; and the build that it is in, `<pipeline>/<number>`, where that is another one. */
  run?: string | undefined
  build?: string
  state: Exclude<PatchworkCheck['state'], 'pending'>
  /** What happened, on one line. */
  line: string
  /** The first error with the lines around it. */
  excerpt?: string
  /** Whether the patch's author is to hear of it. */
  blamed: boolean
}

type Told = Pick<Judgement, 'state' | 'line' | 'excerpt'>

/** A build of a series, its plan, and the home that it is in. */
export interface Tested {
  plan: Plan & { series: PlannedSeries }
  finished: Finished
  home: string
}

/** Judges one run. Where an earlier patch was found to have broken it, that one is told of, too. */
export async function judgeRun(run: PlannedRun, tested: Tested): Promise<Judgement[]> {
  const { plan, finished } = tested
  const result: RunResult = finished.result.runs.find(({ name }) => name === run.name) ?? { name: run.name, verdict: finished.result.verdict, reason: finished.result.reason ?? 'it was not run' }
  const at = { patch: patchAt(plan, run)!.id, context: contextOf(run, plan, finished.request), run: run.name }
  if (isRed(result)) return judgeFailed(result, { ...tested, at })
  return [{ ...at, ...(result.verdict === 'passed' ? await judgePassed(run, result, tested) : judgeUntested(result)), blamed: false }]
}

/** The name of a run's check. A pipeline file calls its jobs as it likes: beside other pipelines of the project its own name is added, or their checks would hide each other. */
export function contextOf({ job }: PlannedRun, { pipeline }: Plan, { series }: Request): string {
  const file = /^file:\W*(.+)\.[cm]?[jt]s$/.exec(pipeline)?.[1]
  return jobContext(file === undefined || (series?.pipelines ?? []).length < 2 ? job : `${file}/${job}`)
}

/** The patch that a run tests. */
export function patchAt({ series }: Pick<Plan, 'series'>, { patch }: PlannedRun) {
  return series?.patches.find(({ n }) => n === patch?.n)
}

function judgeUntested({ verdict, reason }: RunResult): Told {
  if (verdict === 'skipped') return { state: 'warning', line: `not run: ${reason ?? 'it was skipped'}` }
  const what = verdict === 'cancelled' ? 'cancelled' : 'not tested, by a fault of this server'
  return { state: 'warning', line: reason === undefined ? what : `${what}: ${reason}` }
}

async function judgePassed(run: PlannedRun, result: RunResult, tested: Tested): Promise<Told> {
  const now = await warningsOf(tested.home, tested.finished.result, result)
  const before = now === undefined || now.size === 0 ? undefined : await warningsBefore(run, result, tested)
  const added = now === undefined || before === undefined ? [] : newWarnings(before, now)
  if (added.length === 0) return { state: 'success', line: 'passed' }
  const lines = added.slice(0, 20).map(({ file, text }) => `${file}: ${text}`)
  return { state: 'warning', line: `new warning${added.length === 1 ? '' : `s (${added.length})`}: ${lines[0]}`, ...(lines.length > 1 && { excerpt: lines.join('\n') }) }
}

/** The warnings on the commit with which a patch is compared. What did not pass there tells of no more than it got to: against that, old ones would be new. */
async function warningsBefore(run: PlannedRun, { compared }: RunResult, { plan, finished: { result }, home }: Tested): Promise<Warnings | undefined> {
  const parent = parentOf(plan, run)
  if (parent === 'base') return compared && warningsIn(home, compared)
  const before = result.runs.find(({ name }) => name === parent.name)
  return before?.verdict === 'passed' ? warningsOf(home, result, before) : undefined
}

async function judgeFailed(result: RunResult, { plan, finished, home, at }: Tested & { at: Pick<Judgement, 'patch' | 'context' | 'run'> }): Promise<Judgement[]> {
  const { name, blame } = result
  const failure = await tellFailure(result, join(finished.directory, 'runs', directoryName(name)))
  if (blame === undefined && finished.result.verdict === 'cancelled') return [{ ...at, ...failure, state: 'warning', line: `failed, and the build was cancelled before it was compared: ${failure.line}`, blamed: false }]
  if (blame !== undefined && blame.class !== 'new') return [{ ...at, ...failure, state: 'warning', line: `${prefixes[blame.class]}: ${failure.line}`, blamed: false }]
  const culprit = plan.series.patches.find(({ commit, empty }) => commit === blame?.commit && empty === undefined)
  if (culprit === undefined || culprit.id === at.patch) return [{ ...at, ...failure, state: 'fail', blamed: true }]
  const there = blame?.seen && { ...(await tellFailure(result, join(home, 'builds', blame.seen.build, 'runs', directoryName(blame.seen.run)))), ...blame.seen }
  return [
    // Its own log may be pruned by now.
    { ...at, patch: culprit.id, ...(there?.excerpt === undefined ? failure : there), state: 'fail', blamed: true },
    { ...at, ...failure, state: 'warning', line: `fails since patch ${culprit.n}: ${failure.line}`, blamed: false },
  ]
}

/** By the log of the run in that directory. */
async function tellFailure({ verdict, code, reason }: RunResult, directory: string): Promise<Pick<Judgement, 'line' | 'excerpt'>> {
  const { digest } = await readRunExcerpt(directory, 0)
  const line = reason ?? digest?.text.trim() ?? (verdict === 'timed-out' ? 'timed out' : `failed with exit code ${code}`)
  return { line, ...(digest !== undefined && { excerpt: digest.lines.join('\n') }) }
}

const prefixes = {
  parent: 'fails before this patch, too',
  flaky: 'failed, then passed on the same tree',
  infra: 'failed, and could not be compared with what was before this patch',
  'not-applied': 'does not apply',
}
