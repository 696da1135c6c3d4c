import { buildName, isRed, type Blame, type BuildId, type BuildResult, type RunResult } from '../../model/build.ts'
import type { Plan } from '../../model/plan.ts'
import type { Request } from '../../model/request.ts'
import type { Claim } from '../../queue/queue.ts'
import { isComparable } from './comparable.ts'
import type { Answer, Hold } from './hold.ts'
import { classOf, comparedWith } from './question.ts'
import type { Origin } from '../settle/origin.ts'

/** Seconds until the wait for a parent's verdict ends. */
const patience = 24 * 3600

/** A build that ended, before its failures have their classes. */
export interface Ended {
  build: BuildId
  request: Request
  plan?: Plan | undefined
  origin?: Origin | undefined
  runs: RunResult[]
}

/** Whether the failures of this build get classes. Script chunks mail at once, as does what is about no commit; patches are always compared. */
export function isCompared({ plan, origin, request }: Pick<Ended, 'plan' | 'origin' | 'request'>): boolean {
  if (plan?.series !== undefined) return true
  return plan !== undefined && plan.pipeline !== 'chunks' && origin !== undefined && request.blame === undefined
}

/** Gives every failure the class that it has without a look at another commit. */
export function classifyAtOnce({ plan, runs }: { plan?: Plan | undefined; runs: RunResult[] }): RunResult[] {
  return runs.map((run) => {
    if (run.blame !== undefined || run.repeats !== undefined) return run
    if (run.verdict === 'errored') return { ...run, blame: { class: 'infra', reason: run.reason ?? 'it errored' } }
    if (run.verdict === 'not-applied') return { ...run, blame: { class: 'not-applied', reason: run.reason ?? 'the patch does not apply' } }
    if (isRed(run) && plan !== undefined && !isComparable(plan, [run.name])) return { ...run, blame: { class: 'new', reason: 'it is not compared: it, or what it needs, deploys or holds secrets' } }
    return run
  })
}

/** What is to be found out about the failures that have no class yet; undefined where there is none. A commit without a parent is to blame itself. */
export async function openHold({ build, request, plan, origin, runs }: Ended): Promise<Hold | undefined> {
  const open = runs.filter((run) => isRed(run) && run.blame === undefined && run.repeats === undefined).map(({ name }) => name)
  const history = open.length === 0 ? undefined : await origin?.history()
  if (history === undefined || plan === undefined) return undefined
  return { ...build, request, plan, due: endOfWait(), ...history, runs: open, answers: {} }
}

/** The second since 1970 when the wait ends of a hold that begins now. */
export function endOfWait(): number {
  return Math.floor(Date.now() / 1000) + patience
}

/** The runs of a build with all that a hold tells of them. Repetitions have the class of what they repeat. */
export function withClasses(runs: RunResult[], hold: Hold | undefined): RunResult[] {
  const classed = runs.map((run): RunResult => (!isRed(run) || run.blame !== undefined || run.repeats !== undefined ? run : { ...run, blame: hold === undefined ? { class: 'new', reason: 'the commit has no parent' } : classOf(hold, run.name) }))
  return classed.map((run) => {
    const compared = hold && comparedWith(hold, run.name)
    const original = run.repeats === undefined || run.verdict === 'passed' ? undefined : classed.find(({ name }) => name === run.repeats)
    return { ...run, ...(compared && { compared }), ...(original?.blame && { blame: original.blame }) }
  })
}

/** The class of a whole build. */
export function blameOf({ verdict, reason = '', runs }: Pick<BuildResult, 'verdict' | 'reason' | 'runs'>): Blame | undefined {
  const found = runs.flatMap(({ blame }) => blame ?? [])
  const gravest = (['new', 'infra', 'not-applied', 'parent', 'flaky'] as const).map((one) => found.find((blame) => blame.class === one)).find((blame) => blame !== undefined)
  if (gravest !== undefined) return gravest
  if (verdict === 'errored') return { class: 'infra', reason }
  return verdict === 'not-applied' ? { class: 'not-applied', reason } : undefined
}

/** What a build that was made for blame's sake tells of the runs that were asked for. */
export function answersOf({ request }: Pick<Claim, 'request'>, result: BuildResult): Record<string, Answer> {
  return Object.fromEntries((request.blame?.runs ?? []).map((name) => [name, answerFrom(name, result)]))
}

function answerFrom(name: string, result: BuildResult): Answer {
  const build = buildName(result)
  const all = result.runs.filter((run) => run.name === name || run.repeats === name)
  const run = all.find((one) => one.verdict === 'passed') ?? all[0]
  if (run === undefined) return result.verdict === 'errored' || result.verdict === 'cancelled' ? { verdict: 'unknown', build, reason: result.reason ?? result.verdict } : { verdict: result.verdict === 'failed' ? 'skipped' : 'absent', build }
  const seen = { build: run.reused ?? build, run: run.reused_run ?? run.name }
  if (run.verdict === 'passed') return { verdict: 'green', ...seen }
  if (isRed(run)) return { verdict: 'red', ...seen }
  if (run.verdict === 'skipped' && !['errored', 'cancelled'].includes(result.verdict)) return { verdict: 'skipped', build }
  return { verdict: 'unknown', build, reason: run.reason ?? result.reason ?? run.verdict }
}
