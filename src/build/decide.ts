import { buildName, type Blame, type BuildResult, type RunResult } from '../model/build.ts'
import type { Verdict } from '../model/verdict.ts'
import type { Claim } from '../queue/queue.ts'
import { addToIndex } from '../record/build-index.ts'
import type { BuildRecord } from '../record/build-record.ts'
import { endHold, keepHold, openRuns, type Hold } from './blame/hold.ts'
import { blameSentences, followUp, tellBlame } from './blame/pursue.ts'
import { sentenceOf } from './sentence-of.ts'
import type { Finished, Workshop } from './workshop.ts'

/**
 * Reports first, or the hold of reports that must wait, and what can be told all the same; then the terminal status, which is
 * the commit point: what it promises is on disk by then. A build that is made for another one's sake is reported to nobody.
 */
export async function decide(workshop: Workshop, record: BuildRecord, finished: Finished, hold?: Hold): Promise<void> {
  const { result, request } = finished
  record.say(storyOf(result))
  if (hold !== undefined) keepHold(workshop.home, hold)
  else if (result.attempt > 1) endHold(workshop.home, result)
  if (hold === undefined) for (const sentence of blameSentences(result)) record.say(sentence)
  const told = hold === undefined ? finished : { ...finished, open: openRuns(hold) }
  for (const report of request.blame === undefined ? await workshop.reportsOn(told) : []) await workshop.outbox.write(record.directory, report)
  await record.decide(result)
  addToIndex(workshop.home, result)
  const { hook, delivery, repository, ref, commit_id } = request
  workshop.ledger.decide({ hook, delivery, repository, ref, commit_id, decision: result.verdict, reason: result.reason ?? storyOf(result), entry: result.entry, build: buildName(result) })
  if (hold === undefined) tellBlame(workshop, result)
  workshop.log.info({ build: buildName(result), verdict: result.verdict, reason: result.reason }, 'build ended')
}

/** What follows from a decided build; the repair does the same for a builder that died in between. Returns how many reports wait. */
export async function handOver(workshop: Workshop, claim: Claim, result: BuildResult): Promise<number> {
  const silent = result.verdict === 'passed' && claim.request.series === undefined
  const reports = silent ? 0 : await workshop.outbox.handOver(workshop.records.directory(claim.build))
  const further = await followUp(workshop, claim, result)
  await workshop.queue.finish(claim)
  return reports + further
}

export function resultOf(claim: Claim, { verdict, reason, runs, started, blame }: { verdict: Verdict; reason?: string | undefined; runs: RunResult[]; started: string; blame?: Blame | undefined }): BuildResult {
  const { repository, full_name, ref, commit_id } = claim.request
  return {
    ...claim.build,
    verdict,
    ...(reason !== undefined && { reason }),
    attempt: claim.attempt,
    entry: claim.entry,
    repository,
    ...(full_name !== undefined && { full_name }),
    ref,
    commit_id,
    started,
    ended: new Date().toISOString(),
    runs,
    ...(blame !== undefined && { blame }),
  }
}

function storyOf({ verdict, reason, runs }: BuildResult): string {
  return sentenceOf('The build', { verdict, code: runs.find((run) => run.verdict === verdict)?.code, reason })
}
