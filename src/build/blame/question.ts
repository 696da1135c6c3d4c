import type { Blame, SeenRun } from '../../model/build.ts'
import type { Plan } from '../../model/plan.ts'
import { bisect, type Quality } from './bisect.ts'
import type { Answer, Hold } from './hold.ts'

/** A commit that is to be built, and in which runs. */
export interface Question {
  commit: string
  runs: string[]
}

/**
 * What must be known next to tell whose the failures are; undefined where all is known. First the parent in all failed
 * runs, and in those whose warnings are compared; where a failed one is green there, the commits between, by bisection.
 * Runs that ask about one commit ask together.
 */
export function nextQuestion(hold: Hold): Question | undefined {
  const { parent, runs, warned = [] } = hold
  const open = [...runs.flatMap((run) => probeOf(hold, run) ?? []), ...warned.flatMap((run) => (answerOf(hold, parent, run) === undefined ? [{ commit: parent, run }] : []))]
  const commit = open[0]?.commit
  if (commit === undefined) return undefined
  const names = open.filter((probe) => probe.commit === commit).map(({ run }) => nameElsewhere(hold.plan, run))
  return { commit, runs: [...new Set(names)] }
}

/** What a run is called in a build of another commit: there it is no run of a patch. */
export function nameElsewhere({ runs }: Plan, name: string): string {
  return runs.find((run) => run.name === name)?.patch?.run ?? name
}

/** The green run on the parent with whose warnings those of a run are compared; undefined where there is none. */
export function comparedWith(hold: Hold, name: string): SeenRun | undefined {
  if (hold.warned?.includes(name) !== true) return undefined
  const answer = answerOf(hold, hold.parent, name)
  return answer?.verdict === 'green' ? seenIn(answer) : undefined
}

function probeOf(hold: Hold, run: string): { commit: string; run: string } | undefined {
  const parent = answerOf(hold, hold.parent, run)
  if (parent === undefined) return { commit: hold.parent, run }
  if (parent.verdict !== 'green' && parent.verdict !== 'absent') return undefined
  const search = searchFor(hold, run)
  return 'probe' in search ? { commit: search.probe, run } : undefined
}

/** The class of one failure, and the first bad commit, from what is known. */
export function classOf(hold: Hold, run: string): Blame {
  const parent = answerOf(hold, hold.parent, run)
  const seen = `${hold.parent.slice(0, 10)}${parent?.build === undefined ? '' : ` (${parent.build})`}`
  if (parent === undefined) return { class: 'infra', reason: `the parent ${seen} was not built in time` }
  if (parent.verdict === 'unknown') return { class: 'infra', reason: `the parent ${seen} could not be built: ${parent.reason ?? 'no reason is known'}` }
  if (parent.verdict === 'red') return { class: 'parent', reason: `the parent ${seen} is red in this run, too` }
  if (parent.verdict === 'skipped') return { class: 'parent', reason: `the parent ${seen} is red before it gets to this run` }
  const how = parent.verdict === 'green' ? `the parent ${seen} is green` : `the parent ${seen} has no such run`
  const search = searchFor(hold, run)
  if ('probe' in search) return { class: 'infra', reason: `${how}, but of the ${hold.commits.length} commits since then the first bad one was not found in time` }
  if (hold.commits.length === 1) return { class: 'new', reason: how }
  const place = seenIn(answerOf(hold, search.first, run))
  return { class: 'new', reason: `${how}; of the ${hold.commits.length} commits since then ${search.first.slice(0, 10)} is the first bad one${doubt(search.among)}`, commit: search.first, ...(place && { seen: place }) }
}

/** The commits of which one is the first bad one; more than one where some could not be tested. */
export function suspectsOf(hold: Hold, run: string): string[] {
  const search = searchFor(hold, run)
  return 'probe' in search ? [] : search.among
}

function doubt(among: string[]): string {
  return among.length === 1 ? '' : `, as far as can be told: ${among.slice(0, -1).map((commit) => commit.slice(0, 10)).join(', ')} before it could not be tested`
}

function searchFor(hold: Hold, run: string) {
  return bisect(hold.commits, (commit) => qualityOf(answerOf(hold, commit, run)))
}

function qualityOf(answer: Answer | undefined): Quality | undefined {
  if (answer === undefined) return undefined
  if (answer.verdict === 'red') return 'bad'
  return answer.verdict === 'green' || answer.verdict === 'absent' ? 'good' : 'untestable'
}

function answerOf({ answers, plan }: Hold, commit: string, run: string): Answer | undefined {
  return answers[commit]?.[nameElsewhere(plan, run)]
}

function seenIn({ build, run }: Answer = { verdict: 'unknown' }): SeenRun | undefined {
  return build === undefined || run === undefined ? undefined : { build, run }
}
