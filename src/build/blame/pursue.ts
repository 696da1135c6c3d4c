import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildName, type BuildId, type BuildResult } from '../../model/build.ts'
import { isDue } from '../../model/due.ts'
import { isTerminal } from '../../model/verdict.ts'
import type { Claim } from '../../queue/queue.ts'
import { addToIndex } from '../../record/build-index.ts'
import { amendResult } from '../../record/build-record.ts'
import { ask } from './ask.ts'
import { answersOf, blameOf, withClasses } from './blame.ts'
import { explains } from './blame-request.ts'
import { dueBuilds, endHold, heldBuilds, holdOf, keepHold, type Answer, type Hold } from './hold.ts'
import { lookUp, withAuthors } from './look-up.ts'
import { nextQuestion } from './question.ts'
import type { Workshop } from '../workshop.ts'

/**
 * What follows from a decided build for blame: what it tells of another one's failure, or the next question about its own.
 * Done again for a builder that died over it, it asks and tells nothing twice. Returns how many reports wait.
 */
export async function followUp(workshop: Workshop, claim: Claim, result: BuildResult): Promise<number> {
  const explained = explains(claim.request)
  if (explained === undefined) return settleHold(workshop, claim.build)
  const answers = answersOf(claim, result)
  const answered = new Set<string>()
  let reports = 0
  // To tell one takes a while, in which another one may begin to wait for the same entry: each time all are looked at.
  for (let build: BuildId | undefined = explained; build !== undefined; build = otherThatAwaits(workshop, claim, answered)) {
    answered.add(buildName(build))
    addAnswers(workshop, build, claim.request.commit_id, answers)
    reports += await settleHold(workshop, build)
  }
  return reports
}

/** A build besides those answered already, whose questions an entry answers, too. */
function otherThatAwaits({ home }: Workshop, { entry }: Claim, answered: ReadonlySet<string>): BuildId | undefined {
  return heldBuilds(home).find((build) => holdOf(home, build)?.awaits?.entry === entry && !answered.has(buildName(build)))
}

/** Goes on with every build whose reports wait: a builder may have died, an entry may be gone, a wait may be over, somebody may have removed the record. */
export async function lookAtHolds(workshop: Workshop): Promise<void> {
  for (const build of heldBuilds(workshop.home)) {
    const hold = holdOf(workshop.home, build)
    if (hold === undefined) forget(workshop, build)
    if (hold?.awaits !== undefined && !(await isOpen(workshop, hold.awaits.entry))) giveUp(workshop, hold, hold.awaits)
    await settleHold(workshop, build)
  }
}

/** Tells of failures whose wait is over. A builder does it now and then: while it builds, no new one begins with `lookAtHolds`. */
export async function endDueWaits(workshop: Workshop): Promise<void> {
  for (const build of dueBuilds(workshop.home, Date.now() / 1000)) {
    await settleHold(workshop, build).catch((error: unknown) => workshop.log.warn({ err: error, build: buildName(build) }, 'telling of a failure after its wait failed; it is tried again'))
  }
}

/** What the record tells of whose the failures are, a sentence each. */
export function blameSentences({ runs }: BuildResult): string[] {
  return runs.flatMap(({ name, reason, repeats, blame }) => (blame === undefined || repeats !== undefined ? [] : [`The failure of ${name} is ${blame.class}${blame.reason === reason ? '' : `: ${blame.reason}`}.`]))
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
  // Its time may be over while its answer comes: who is second finds nothing held.
  const end = await workshop.turns.wait(`hold ${buildName(build)}`)
  try {
    return await settleInTurn(workshop, build)
  } finally {
    end()
  }
}

async function settleInTurn(workshop: Workshop, build: BuildId): Promise<number> {
  const hold = holdOf(workshop.home, build)
  const result = hold && isTerminal(workshop.records.status(build)) ? workshop.records.result(build) : undefined
  if (hold === undefined || result === undefined) return 0
  if (result.blame === undefined) {
    const question = isOver(hold) ? undefined : await lookUp(workshop, hold)
    if (question !== undefined) {
      await ask(workshop, hold, question)
      return 0
    }
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

function addAnswers({ home }: Workshop, build: BuildId, commit: string, answers: Record<string, Answer>): void {
  const hold = holdOf(home, build)
  if (hold === undefined) return
  const { awaits: _, ...rest } = hold
  keepHold(home, { ...rest, answers: { ...hold.answers, [commit]: { ...hold.answers[commit], ...answers } } })
}

async function isOpen({ queue }: Workshop, entry: string): Promise<boolean> {
  const found = await queue.find(entry)
  return found !== undefined && found.state !== 'bad'
}

/** There is nothing left that could be told, and once it is due every tick would start for it. */
function forget({ home, log }: Workshop, build: BuildId): void {
  log.warn({ build: buildName(build) }, 'nobody is told whose its failures are: its blame.json is gone or torn')
  endHold(home, build)
}

/** Somebody took the entry out of the queue: what it asked stays unknown. */
function giveUp(workshop: Workshop, hold: Hold, { entry, commit }: { entry: string; commit: string }): void {
  const question = nextQuestion(hold)
  if (question?.commit !== commit) return
  const unknown: Answer = { verdict: 'unknown', reason: `its entry ${entry} is not in the queue any more` }
  addAnswers(workshop, hold, commit, Object.fromEntries(question.runs.map((run) => [run, unknown])))
}

function isOver({ due }: Hold): boolean {
  return isDue(due, Date.now() / 1000)
}
