import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildName } from '../model/build.ts'
import { isTerminal } from '../model/verdict.ts'
import type { Claim } from '../queue/queue.ts'
import { addToIndex } from '../record/build-index.ts'
import { openBuildRecord } from '../record/build-record.ts'
import { decide, handOver, resultOf } from './decide.ts'
import { followUp, lookAtHolds } from './blame/pursue.ts'
import type { Workshop } from './workshop.ts'

/** After this many builders that died over it, an entry is set aside. */
const patience = 3

/** An entry that was claimed so often, and never comes to a run, is not innocent of its builders' deaths. */
const mostAttempts = 20

/** Ends what runs of a home have left: everything where a builder died, else what the one before could not end. */
export type EndLeftovers = (homeId: string, before: { died: boolean }) => Promise<unknown>

/**
 * Mends what a dead builder left, under the lock: ends its processes, removes its work directories, hands over what it had
 * decided, and puts the rest back into the queue, or aside where it has cost too many builders.
 */
export async function repair(workshop: Workshop, endLeftovers: EndLeftovers): Promise<void> {
  const claims = await workshop.queue.repair()
  await endLeftovers(workshop.homeId, { died: claims.length > 0 })
  await clearWorkspaces(workshop)
  for (const claim of claims) await mend(workshop, claim)
  await lookAtHolds(workshop)
}

/** Nothing runs any more: what is still in cache/work is removed, and what cannot be is told. */
export async function clearWorkspaces({ workspaces, log }: Workshop): Promise<void> {
  for (const problem of await workspaces.clear()) log.error({ err: problem }, 'something in cache/work cannot be removed')
}

async function mend(workshop: Workshop, claim: Claim): Promise<void> {
  const build = buildName(claim.build)
  const result = isTerminal(workshop.records.status(claim.build)) ? workshop.records.result(claim.build) : undefined
  if (result !== undefined) {
    workshop.log.info({ build, entry: claim.entry }, 'handing over what a dead builder had decided')
    addToIndex(workshop.home, result)
    await handOver(workshop, claim, result)
    return
  }
  // The number is promised to this entry: nobody else gets it, although a power cut may have lost its directory.
  mkdirSync(workshop.records.directory(claim.build), { recursive: true })
  const died = claim.attempt >= mostAttempts || !waited(workshop.records.directory(claim.build))
  if (died && claim.deaths + 1 >= patience) return setAside(workshop, claim)
  workshop.log.warn({ build, entry: claim.entry, attempt: claim.attempt }, died ? 'a builder died over this entry; it waits again' : 'a builder died while this entry waited; it waits again')
  await workshop.queue.release(claim, { died })
  workshop.ledger.decide({ decision: 'released', reason: `the builder died ${died ? `during attempt ${claim.attempt}` : 'before any of its runs had begun'}`, entry: claim.entry, build })
}

/** Whether its plan was settled and none of its runs had begun: nobody died over that. */
function waited(directory: string): boolean {
  return existsSync(join(directory, 'plan.json')) && !existsSync(join(directory, 'runs'))
}

async function setAside(workshop: Workshop, claim: Claim): Promise<void> {
  const reason = `${patience} builders died over it; the entry is kept in queue/bad/`
  const now = new Date().toISOString()
  const directory = workshop.records.directory(claim.build)
  const result = resultOf(claim, { verdict: 'errored', reason, runs: [], started: now })
  const record = openBuildRecord(directory, { request: claim.request, attempt: claim.attempt + 1 })
  await decide(workshop, record, { result, request: claim.request, directory })
  await workshop.outbox.handOver(directory)
  await followUp(workshop, claim, result)
  await workshop.queue.bury(claim, reason)
}
