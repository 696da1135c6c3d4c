import { buildName, verdictOf, type Blame, type RunResult } from '../model/build.ts'
import type { Plan } from '../model/plan.ts'
import { isTrusted, type Request } from '../model/request.ts'
import type { Verdict } from '../model/verdict.ts'
import type { Claim } from '../queue/queue.ts'
import { openBuildRecord, type BuildRecord } from '../record/build-record.ts'
import { openAllowance } from './allowance.ts'
import type { Attempt } from './attempt.ts'
import { decide, handOver, resultOf } from './decide.ts'
import { blameFailures } from './blame/blame-failures.ts'
import { withNeeds } from './blame/comparable.ts'
import { executePlan } from './execute/execute-plan.ts'
import { openFirstPlace } from './first-place.ts'
import type { Hold } from './blame/hold.ts'
import { ofPipeline, recordMistake } from './record-mistake.ts'
import { withoutRequestValues } from './blame/reusable.ts'
import { sentenceOf } from './sentence-of.ts'
import { whileNewest } from './supersede.ts'
import type { Mistaken, Settled, Workshop } from './workshop.ts'

/**
 * The story of one build: settle, run, blame, record, report, hand over. Resolves when the entry is decided or, where the builder
 * is told to stop, back in the queue; with the number of reports that wait in the outbox. Rejects only where the record
 * itself cannot be kept, like on a full disk.
 */
export async function runBuild(workshop: Workshop, claim: Claim, { stop, ...slots }: Pick<Attempt, 'takeSlot' | 'leaveSeat' | 'stop'>): Promise<number> {
  const started = new Date().toISOString()
  const directory = workshop.records.directory(claim.build)
  const record = openBuildRecord(directory, claim)
  begin(workshop, claim, record)
  const allowance = openAllowance(isTrusted(claim.request) ? undefined : workshop.untrusted, stop.cancel)
  const firstPlace = openFirstPlace(record)
  const { verdict, reason, hold, ...carried } = await carryOut({ workshop, claim, record, ...slots, stop, allowance, firstPlace }).finally(firstPlace.close)
  if (verdict === 'cancelled' && stop.released()) return putBack(workshop, claim, record)
  const result = resultOf(claim, { verdict, reason, started: firstPlace.taken() ?? started, runs: carried.runs, blame: carried.blame })
  await decide(workshop, record, { request: carried.request ?? claim.request, ...(carried.plan && { plan: carried.plan }), result, directory }, hold)
  return handOver(workshop, claim, result)
}

interface CarriedOut {
  plan?: Plan
  request?: Request
  runs: RunResult[]
  verdict: Verdict
  reason?: string | undefined
  blame?: Blame | undefined
  /** Where the classes of its failures are not known yet. */
  hold?: Hold | undefined
}

/** Settles the request and executes its plan. A fault of ours, anywhere in between, is `errored`, told with its message. */
async function carryOut(attempt: Attempt): Promise<CarriedOut> {
  const { workshop, claim, record, stop, allowance } = attempt
  let known: Pick<CarriedOut, 'plan' | 'request'> = {}
  try {
    const settling = allowance.begin()
    const found = await whileNewest(attempt, {}, () => workshop.settle(claim.request, stop.signal, attempt.leaveSeat)).finally(settling)
    if (stop.signal.aborted) return { runs: [], verdict: 'cancelled', reason: stop.reason() }
    if ('cancelled' in found) return { runs: [], verdict: 'cancelled', reason: found.cancelled }
    if ('ignored' in found) return { runs: [], verdict: 'skipped', reason: `ignored: ${found.ignored}` }
    if ('mistake' in found) return { request: found.request, plan: found.plan, ...(await blameFile(attempt, found)) }
    const settled = prepared(found)
    known = { plan: settled.plan, request: settled.request }
    record.keepPlan(settled.plan, settled.request)
    record.say(`The pipeline is ${settled.plan.pipeline}: ${settled.plan.why}`)
    const runs = await whileNewest(attempt, settled.plan, () => execute(attempt, settled))
    for (const run of runs) if (run.verdict === 'skipped') record.say(sentenceOf(`Run ${run.name}`, run))
    return { ...known, ...(await judge(attempt, settled, runs)) }
  } catch (error) {
    if (stop.signal.aborted) return { ...known, runs: [], verdict: 'cancelled', reason: stop.reason() }
    workshop.log.error({ err: error, build: buildName(claim.build) }, 'the build errored')
    return { ...known, runs: [], verdict: 'errored', reason: (error as Error).message }
  }
}

/** The verdict with whose the failures are. Who cancels while these are compared wants nobody mailed either; a builder that stops leaves the comparing to the next one. */
async function judge(attempt: Attempt, tested: Pick<Settled, 'plan' | 'request' | 'origin'>, runs: RunResult[]): Promise<CarriedOut> {
  const { stop } = attempt
  const verdict = verdictUnder(stop, runs)
  const reason = stop.reason() ?? runs.find((run) => run.verdict === verdict && run.repeats === undefined)?.reason
  const compared = verdict === 'cancelled' ? { runs } : await blameFailures(attempt, tested, runs)
  if (stop.cancelled() && verdictUnder(stop, runs) === 'cancelled') return { runs, verdict: 'cancelled', reason: stop.reason() }
  return { ...compared, verdict, reason }
}

/** What is red when the build is stopped was not tried again, or not to the end, and might have passed then. */
function verdictUnder({ signal }: Attempt['stop'], runs: RunResult[]): Verdict {
  const verdict = verdictOf(runs)
  return signal.aborted && verdict !== 'passed' && verdict !== 'skipped' ? 'cancelled' : verdict
}

/** The project's own file is at fault: that becomes the one run of the build. */
async function blameFile(attempt: Attempt, mistaken: Mistaken): Promise<CarriedOut> {
  const run = recordMistake(attempt.record, ofPipeline, mistaken.mistake)
  return judge(attempt, mistaken, [run])
}

/** Of a commit that is built for blame's sake, only the runs that are asked for and what they need. */
function prepared(settled: Settled): Settled {
  if (settled.origin === undefined || settled.plan.pipeline === 'chunks') return settled
  const plan = withoutRequestValues(settled.plan)
  const { blame } = settled.request
  return { ...settled, plan: blame === undefined ? plan : { ...plan, runs: withNeeds(plan, blame.runs) } }
}

/** A mailed series is announced to its server, and executed patch by patch. */
async function execute(attempt: Attempt, settled: Settled): Promise<RunResult[]> {
  if (settled.plan.series === undefined) return executePlan(attempt, settled)
  const { announce, executeSeries } = await import('./execute/execute-series.ts')
  await announce(attempt, settled)
  return executeSeries(attempt, settled)
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

function keysOf({ hook, delivery, repository, ref, commit_id }: Request) {
  return { hook, delivery, repository, ref, commit_id }
}
