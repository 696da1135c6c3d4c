import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildName, type BuildId, type BuildResult, type RunResult } from '../model/build.ts'
import { isTrusted } from '../model/request.ts'
import { isTerminal } from '../model/verdict.ts'
import type { Claim } from '../queue/queue.ts'
import { addToIndex } from '../record/build-index.ts'
import { amendResult } from '../record/build-record.ts'
import { answersOf, blameOf, withClasses } from './blame.ts'
import { blameRequest, explains } from './blame-request.ts'
import { withNeeds } from './comparable.ts'
import { endHold, heldBuilds, holdOf, keepHold, type Answer, type Hold } from './hold.ts'
import { nextQuestion, suspectsOf, type Question } from './question.ts'
import { reusableRuns, withoutRequestValues } from './reusable.ts'
import { verdictKeys } from './verdict-key.ts'
import type { Settled, Workshop } from './workshop.ts'

/** Milliseconds that settling another commit may take. */
const longest = 10 * 60 * 1000

/**
 * What follows from a decided build for blame: what it tells of another one's failure, or the next question about its own.
 * Done again for a builder that died over it, it asks and tells nothing twice. Returns how many reports wait.
 */
export async function followUp(workshop: Workshop, claim: Claim, result: BuildResult): Promise<number> {
  const explained = explains(claim.request)
  if (explained !== undefined) addAnswers(workshop, explained, claim.request.commit_id, answersOf(claim, result))
  return settleHold(workshop, explained ?? claim.build)
}

/** Goes on with every build whose reports wait: a builder may have died, an entry may be gone, a wait may be over. */
export async function lookAtHolds(workshop: Workshop): Promise<void> {
  const held = heldBuilds(workshop.home)
  if (held.length === 0) return
  const entries = new Set((await workshop.queue.list()).filter(({ state }) => state !== 'bad').map(({ entry }) => entry))
  for (const build of held) {
    const hold = holdOf(workshop.home, build)
    if (hold?.awaits !== undefined && !entries.has(hold.awaits.entry)) giveUp(workshop, hold, hold.awaits)
    await settleHold(workshop, build)
  }
}

/** Answers what it can of a hold's questions by stored verdicts, and returns the first one for which a commit must be built. */
export async function lookUp(workshop: Workshop, hold: Hold): Promise<Question | undefined> {
  for (let question = nextQuestion(hold); question !== undefined; question = nextQuestion(hold)) {
    const known = await storedAnswers(workshop, hold, question)
    hold.answers[question.commit] = { ...hold.answers[question.commit], ...known }
    const open = question.runs.filter((run) => known[run] === undefined)
    if (open.length > 0) return { commit: question.commit, runs: open }
  }
  return undefined
}

/** Names the authors of first bad commits other than the tested one. Of commits that cannot be told apart, only where all are one person's. */
export async function withAuthors(workshop: Workshop, hold: Hold | undefined, runs: RunResult[]): Promise<RunResult[]> {
  if (hold === undefined) return runs
  return Promise.all(runs.map(async (run) => {
    const { blame } = run
    if (blame?.commit === undefined) return run
    const authors = await Promise.all(suspectsOf(hold, run.repeats ?? run.name).map((commit) => authorOf(workshop, hold, commit)))
    const [author] = authors
    const isOne = author !== undefined && authors.every((other) => other?.author_email === author.author_email)
    return { ...run, blame: { ...blame, ...(isOne && author) } }
  }))
}

/** What the record tells of whose the failures are, a sentence each. */
export function blameSentences({ runs }: BuildResult): string[] {
  return runs.flatMap(({ name, repeats, blame }) => (blame === undefined || repeats !== undefined ? [] : [`The failure of ${name} is ${blame.class}: ${blame.reason}.`]))
}

/** Adds what was found out to the ledger, a line a failure. */
export function tellBlame({ ledger }: Workshop, result: BuildResult): void {
  const { repository, ref, commit_id, entry, runs } = result
  for (const { name, repeats, blame } of runs) {
    if (blame !== undefined && repeats === undefined) ledger.decide({ repository, ref, commit_id, entry, build: buildName(result), decision: 'blame', reason: `${name} is ${blame.class}: ${blame.reason}` })
  }
}

/** Tells people as soon as all classes are known or the wait is over; until then, sees that what must be built waits in the queue. */
async function settleHold(workshop: Workshop, build: BuildId): Promise<number> {
  const hold = holdOf(workshop.home, build)
  const result = hold && isTerminal(workshop.records.status(build)) ? workshop.records.result(build) : undefined
  if (hold === undefined || result === undefined) return 0
  if (result.blame === undefined) {
    const question = Date.now() / 1000 >= hold.due ? undefined : await lookUp(workshop, hold)
    if (question !== undefined) return ask(workshop, hold, question)
    await tell(workshop, hold, result)
  }
  const reports = await workshop.outbox.handOver(workshop.records.directory(build))
  endHold(workshop.home, build)
  return reports
}

/** Reports first, then the result that says that they are written. */
async function tell(workshop: Workshop, hold: Hold, decided: BuildResult): Promise<void> {
  const directory = workshop.records.directory(hold)
  const runs = await withAuthors(workshop, hold, withClasses(decided.runs, hold))
  const blame = blameOf({ ...decided, runs })
  const result = { ...decided, runs, ...(blame && { blame }) }
  for (const report of await workshop.reportsOn({ result, request: hold.request, plan: hold.plan, directory })) await workshop.outbox.write(directory, report)
  keepHold(workshop.home, hold)
  amendResult(directory, result)
  addToIndex(workshop.home, result)
  appendFileSync(join(directory, 'summary.log'), blameSentences(result).map((sentence) => `${new Date().toISOString()} ${sentence}\n`).join(''))
  tellBlame(workshop, result)
  workshop.log.info({ build: buildName(result), blame }, 'its failures have their classes')
}

async function ask(workshop: Workshop, hold: Hold, { commit, runs }: Question): Promise<number> {
  if (hold.awaits?.commit !== commit) {
    const request = blameRequest(hold.request, { build: hold, pipeline: hold.plan.pipeline, commit, runs })
    const { entry, duplicate } = await workshop.queue.enqueue(request, { low: true })
    keepHold(workshop.home, { ...hold, awaits: { entry, commit } })
    const { hook, delivery, repository, ref } = request
    if (!duplicate) workshop.ledger.decide({ hook, delivery, repository, ref, commit_id: commit, entry, decision: 'queued', reason: `to tell whose the failure of ${buildName(hold)} is` })
  }
  return 0
}

function addAnswers({ home }: Workshop, build: BuildId, commit: string, answers: Record<string, Answer>): void {
  const hold = holdOf(home, build)
  if (hold === undefined) return
  const { awaits: _, ...rest } = hold
  keepHold(home, { ...rest, answers: { ...hold.answers, [commit]: { ...hold.answers[commit], ...answers } } })
}

/** Somebody took the entry out of the queue: what it asked stays unknown. */
function giveUp(workshop: Workshop, hold: Hold, { entry, commit }: { entry: string; commit: string }): void {
  const question = nextQuestion(hold)
  if (question?.commit !== commit) return
  const unknown: Answer = { verdict: 'unknown', reason: `its entry ${entry} is not in the queue any more` }
  addAnswers(workshop, hold, commit, Object.fromEntries(question.runs.map((run) => [run, unknown])))
}

async function storedAnswers(workshop: Workshop, hold: Hold, { commit, runs }: Question): Promise<Record<string, Answer>> {
  // Settling another commit takes time; where its verdicts cannot be there, it is left to the build.
  if (hold.request.fresh || !runs.some((run) => reusableRuns(hold.plan).has(run))) return {}
  const settled = await settleAt(workshop, hold, commit, runs)
  if (settled?.origin === undefined) return {}
  const plan = withoutRequestValues(settled.plan)
  const asked = { ...plan, runs: withNeeds(plan, runs) }
  const reusable = reusableRuns(asked)
  const keys = await verdictKeys(asked, { ...workshop, tree: settled.origin.tree, trusted: isTrusted(settled.request) })
  const answers = runs.flatMap((run) => {
    const key = reusable.has(run) ? keys.get(run) : undefined
    const stored = key === undefined ? undefined : workshop.verdicts.find(key, 'parent')
    return stored === undefined ? [] : [[run, { verdict: stored.verdict === 'passed' ? 'green' : 'red', build: stored.build }] as [string, Answer]]
  })
  return Object.fromEntries(answers)
}

/** Undefined where it cannot be settled; building it will tell why. */
async function settleAt(workshop: Workshop, hold: Hold, commit: string, runs: string[]): Promise<Pick<Settled, 'plan' | 'request' | 'origin'> | undefined> {
  try {
    const settled = await workshop.settle(blameRequest(hold.request, { build: hold, pipeline: hold.plan.pipeline, commit, runs }), AbortSignal.timeout(longest))
    return 'plan' in settled ? settled : undefined
  } catch (error) {
    workshop.log.warn({ err: error, build: buildName(hold), commit }, 'settling another commit for blame failed')
    return undefined
  }
}

async function authorOf(workshop: Workshop, hold: Hold, commit: string): Promise<{ author_name: string; author_email: string } | undefined> {
  const request = commit === hold.request.commit_id ? hold.request : (await settleAt(workshop, hold, commit, []))?.request
  if (request?.author_email === undefined) return undefined
  return { author_name: request.author_name ?? '', author_email: request.author_email }
}
