import { buildName, type RunResult } from '../../model/build.ts'
import type { Plan } from '../../model/plan.ts'
import { isTrusted } from '../../model/request.ts'
import { blameRequest } from './blame-request.ts'
import { withNeeds } from './comparable.ts'
import type { Answer, Hold } from './hold.ts'
import { nameElsewhere, nextQuestion, suspectsOf, type Question } from './question.ts'
import { reusableRuns, withoutRequestValues } from './reusable.ts'
import { verdictKeys } from './verdict-key.ts'
import type { Settled, Workshop } from '../workshop.ts'

/** Milliseconds that settling another commit may take. */
const longest = 10 * 60 * 1000

/** Answers what it can of a hold's questions by stored verdicts, and returns the first one for which a commit must be built. */
export async function lookUp(workshop: Workshop, hold: Hold, signal?: AbortSignal): Promise<Question | undefined> {
  for (let question = nextQuestion(hold); question !== undefined; question = nextQuestion(hold)) {
    const known = await storedAnswers(workshop, hold, { ...question, signal })
    hold.answers[question.commit] = { ...hold.answers[question.commit], ...known }
    const open = question.runs.filter((run) => known[run] === undefined)
    if (open.length > 0) return { commit: question.commit, runs: open }
  }
  return undefined
}

/** Names the authors of first bad commits other than the tested one. Of commits that cannot be told apart, only where all are one person's. */
export async function withAuthors(workshop: Workshop, hold: Hold | undefined, runs: RunResult[]): Promise<RunResult[]> {
  // Of a mailed series, its submitter is answered.
  if (hold === undefined || hold.plan.series !== undefined) return runs
  return Promise.all(runs.map(async (run) => {
    const { blame } = run
    if (blame?.commit === undefined) return run
    const authors = await Promise.all(suspectsOf(hold, run.repeats ?? run.name).map((commit) => authorOf(workshop, hold, commit)))
    const [author] = authors
    const isOne = author !== undefined && authors.every((other) => other?.author_email === author.author_email)
    return { ...run, blame: { ...blame, ...(isOne && author) } }
  }))
}

interface Asked extends Question {
  /** Ends the settling, as if nothing were stored. */
  signal?: AbortSignal | undefined
}

async function storedAnswers(workshop: Workshop, hold: Hold, { commit, runs, signal }: Asked): Promise<Record<string, Answer>> {
  // Settling another commit takes time; where its verdicts cannot be there, it is left to the build.
  if (hold.request.fresh || !mayBeStored(hold.plan, runs)) return {}
  const settled = await settleAt(workshop, hold, { commit, runs, signal })
  if (settled?.origin === undefined) return {}
  const plan = withoutRequestValues(settled.plan)
  const asked = { ...plan, runs: withNeeds(plan, runs) }
  const reusable = reusableRuns(asked)
  const keys = await verdictKeys(asked, { ...workshop, tree: settled.origin.tree, trusted: isTrusted(settled.request) })
  const answers = runs.flatMap((run) => {
    const key = reusable.has(run) ? keys.get(run) : undefined
    const stored = key === undefined ? undefined : workshop.verdicts.find(key, 'parent')
    return stored === undefined ? [] : [[run, { verdict: stored.verdict === 'passed' ? 'green' : 'red', build: stored.build, run: stored.run }] as [string, Answer]]
  })
  return Object.fromEntries(answers)
}

/** Whether one of the runs, by its name in a build of another commit, is reusable. */
function mayBeStored(plan: Plan, runs: string[]): boolean {
  return [...reusableRuns(plan)].some((name) => runs.includes(nameElsewhere(plan, name)))
}

/** Undefined where it cannot be settled; building it will tell why. */
async function settleAt(workshop: Workshop, hold: Hold, { commit, runs, signal }: Asked): Promise<Pick<Settled, 'plan' | 'request' | 'origin'> | undefined> {
  try {
    const settled = await workshop.settle(blameRequest(hold.request, { build: hold, pipeline: hold.plan.pipeline, commit, runs }), AbortSignal.any([AbortSignal.timeout(longest), ...(signal === undefined ? [] : [signal])]))
    return 'plan' in settled ? settled : undefined
  } catch (error) {
    workshop.log.warn({ err: error, build: buildName(hold), commit }, 'settling another commit for blame failed')
    return undefined
  }
}

async function authorOf(workshop: Workshop, hold: Hold, commit: string): Promise<{ author_name: string; author_email: string } | undefined> {
  const request = commit === hold.request.commit_id ? hold.request : (await settleAt(workshop, hold, { commit, runs: [] }))?.request
  if (request?.author_email === undefined) return undefined
  return { author_name: request.author_name ?? '', author_email: request.author_email }
}
