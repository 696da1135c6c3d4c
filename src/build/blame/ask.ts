import { buildName } from '../../model/build.ts'
import type { Request } from '../../model/request.ts'
import { blameRequest } from './blame-request.ts'
import { heldBuilds, holdOf, keepHold, type Hold } from './hold.ts'
import { nextQuestion, type Question } from './question.ts'
import type { Workshop } from '../workshop.ts'

/** Sees that a commit is built for a hold: by the entry that another hold waits for, where that asks the same, or by one of its own. */
export async function ask(workshop: Workshop, hold: Hold, question: Question): Promise<void> {
  if (hold.awaits?.commit === question.commit) return
  // Two holds that ask at once must see each other.
  const end = await workshop.turns.wait('questions')
  try {
    const entry = entryFor(workshop.home, hold, question) ?? (await enqueue(workshop, hold, question))
    keepHold(workshop.home, { ...hold, awaits: { entry, commit: question.commit } })
  } finally {
    end()
  }
}

/** The entry whose build answers the question, too. */
function entryFor(home: string, hold: Hold, { commit, runs }: Question): string | undefined {
  const holds = heldBuilds(home).flatMap((build) => holdOf(home, build) ?? [])
  const same = holds.find((other) => {
    const asked = other.awaits?.commit === commit && asksTheSame(other, hold) ? nextQuestion(other) : undefined
    return asked?.commit === commit && runs.every((run) => asked.runs.includes(run))
  })
  return same?.awaits?.entry
}

function asksTheSame(one: Hold, other: Hold): boolean {
  return one.plan.pipeline === other.plan.pipeline && askedBy(one.request) === askedBy(other.request)
}

/** What of a request makes a difference to a build of another commit. */
function askedBy({ repository, full_name, clone_url, ref, source, hook, trusted, pull_request, runs, fresh }: Request): string {
  return JSON.stringify([repository, full_name, clone_url, ref, source, hook, trusted, pull_request, runs, fresh])
}

async function enqueue({ queue, ledger }: Workshop, hold: Hold, { commit, runs }: Question): Promise<string> {
  const request = blameRequest(hold.request, { build: hold, pipeline: hold.plan.pipeline, commit, runs })
  const { entry, duplicate } = await queue.enqueue(request, { low: true })
  const { hook, delivery, repository, ref } = request
  const reason = hold.runs.length > 0 ? `to tell whose the failure of ${buildName(hold)} is` : `to tell which warnings of ${buildName(hold)} are new`
  if (!duplicate) ledger.decide({ hook, delivery, repository, ref, commit_id: commit, entry, decision: 'queued', reason })
  return entry
}
