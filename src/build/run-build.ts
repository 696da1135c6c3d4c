import type { Claim } from '../queue/queue.ts'
import type { BuildResult, RunResult } from '../model/build.ts'
import { buildName } from '../model/build.ts'
import type { Plan } from '../model/plan.ts'
import { worst, type Verdict } from '../model/verdict.ts'
import { addToIndex } from '../record/build-index.ts'
import { openBuildRecord, type BuildRecord } from '../record/build-record.ts'
import { executeRun } from './execute-run.ts'
import { schedule } from './schedule.ts'
import type { Stop } from './stop.ts'
import type { Workshop } from './workshop.ts'

/** Gives the right to execute one run; the first one of a build comes with its claim. */
export type TakeSlot = () => Promise<() => void>

/**
 * The story of one build: settle, run, record, report, hand over. Resolves when the entry is decided or, where the builder
 * is told to stop, back in the queue; with the number of reports that wait in the outbox. Rejects only where the record
 * itself cannot be kept, like on a full disk.
 */
export async function runBuild(workshop: Workshop, claim: Claim, { takeSlot, stop }: { takeSlot: TakeSlot; stop: Stop }): Promise<number> {
  const started = new Date().toISOString()
  const directory = workshop.records.directory(claim.build)
  const record = openBuildRecord(directory, claim)
  begin(workshop, claim, record)
  const { plan, runs, verdict, reason } = await carryOut(workshop, claim, { record, takeSlot, stop })
  if (verdict === 'cancelled' && stop.released()) return putBack(workshop, claim, record)
  const result = resultOf(claim, { verdict, reason, runs, started })
  await decide(workshop, { result, claim, record, plan })
  return handOver(workshop, claim, result)
}

interface CarriedOut {
  plan?: Plan
  runs: RunResult[]
  verdict: Verdict
  reason?: string | undefined
}

/** Settles the request and executes its plan. A fault of ours, anywhere in between, is `errored`, told with its message. */
async function carryOut(workshop: Workshop, claim: Claim, { record, takeSlot, stop }: { record: BuildRecord; takeSlot: TakeSlot; stop: Stop }): Promise<CarriedOut> {
  let plan: Plan | undefined
  try {
    const settled = await workshop.settle(claim.request, claim.build)
    if ('ignored' in settled) return { runs: [], verdict: 'skipped', reason: `ignored: ${settled.ignored}` }
    plan = settled
    record.keepPlan(plan)
    record.say(`The pipeline is ${plan.pipeline}: ${plan.why}`)
    const runs = await schedule(plan.runs, (run) => executeRun(workshop, claim, { run, record, takeSlot, stop }))
    const verdict = worst(runs.map((run) => run.verdict))
    return { plan, runs, verdict, reason: stop.reason() ?? runs.find((run) => run.verdict === verdict)?.reason }
  } catch (error) {
    workshop.log.error({ err: error, build: buildName(claim.build) }, 'the build errored')
    return { ...(plan && { plan }), runs: [], verdict: 'errored', reason: (error as Error).message }
  }
}

function begin({ ledger, log }: Workshop, { build, entry, request, attempt }: Claim, record: BuildRecord): void {
  const who = `${request.full_name ?? request.repository} ${request.ref} ${request.commit_id}`
  record.say(`Build ${buildName(build)} of ${who} begins${attempt > 1 ? `, attempt ${attempt}` : ''}.`)
  ledger.decide({ ...keysOf(request), decision: 'building', reason: attempt > 1 ? `attempt ${attempt}` : 'its turn came', entry, build: buildName(build) })
  log.info({ build: buildName(build), entry, attempt, repository: request.repository, ref: request.ref, commit_id: request.commit_id }, 'build begins')
}

/** The builder was told to stop: the entry waits again, with its number, and nobody is told anything. */
async function putBack({ queue, ledger, log }: Workshop, claim: Claim, record: BuildRecord): Promise<number> {
  const build = buildName(claim.build)
  record.say('The builder was told to stop; the build is put back into the queue.')
  record.setStatus('QUEUED')
  await queue.release(claim)
  ledger.decide({ ...keysOf(claim.request), decision: 'released', reason: 'the builder was told to stop', entry: claim.entry, build })
  log.info({ build, entry: claim.entry }, 'build released')
  return 0
}

/** Reports first, then the terminal status, which is the commit point: what it promises is on disk by then. */
async function decide(workshop: Workshop, { result, claim, record, plan }: { result: BuildResult; claim: Claim; record: BuildRecord; plan: Plan | undefined }): Promise<void> {
  record.say(sentenceOf(result))
  const reports = await workshop.reportsOn({ result, request: claim.request, directory: record.directory, ...(plan && { plan }) })
  for (const report of reports) await workshop.outbox.write(record.directory, report)
  await record.decide(result)
  addToIndex(workshop.home, result)
  workshop.ledger.decide({ ...keysOf(claim.request), decision: result.verdict, reason: result.reason ?? sentenceOf(result), entry: claim.entry, build: buildName(result) })
  workshop.log.info({ build: buildName(result), verdict: result.verdict, reason: result.reason }, 'build ended')
}

/** What follows from a decided build; the repair does the same for a builder that died in between. Returns how many reports wait. */
export async function handOver(workshop: Workshop, claim: Claim, result: BuildResult): Promise<number> {
  const reports = result.verdict === 'passed' ? 0 : await workshop.outbox.handOver(workshop.records.directory(claim.build))
  await workshop.queue.finish(claim)
  return reports
}

export function resultOf(claim: Claim, { verdict, reason, runs, started }: { verdict: Verdict; reason?: string | undefined; runs: RunResult[]; started: string }): BuildResult {
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
  }
}

function sentenceOf({ verdict, reason, runs }: BuildResult): string {
  const code = runs.find((run) => run.verdict === verdict)?.code
  return `The build ${verdict}${code === undefined || verdict === 'passed' ? '' : ` with exit code ${code}`}${reason === undefined ? '' : `: ${reason}`}.`
}

function keysOf({ hook, delivery, repository, ref, commit_id }: Claim['request']) {
  return { hook, delivery, repository, ref, commit_id }
}
