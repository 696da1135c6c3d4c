import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { Ending, Execution } from '../../executor/executor.ts'
import { buildName, type RunResult } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import { statusOf } from '../../model/verdict.ts'
import type { RunRecord } from '../../record/build-record.ts'
import { openConsoleLog, type ConsoleLog } from '../../record/console-log.ts'
import type { Attempt } from '../attempt.ts'
import { executionOf } from './execution-of.ts'
import type { Groups } from './groups.ts'
import { keepFirstError } from './keep-first-error.ts'
import { keepWhatItLeft } from './keep-what-it-left.ts'
import { verdictOfService, type Service } from './schedule.ts'
import type { ServiceNetwork } from './service-network.ts'
import { sentenceOf } from '../sentence-of.ts'
import { watchStart } from './service-start.ts'
import type { SharedDirectory } from './shared-directory.ts'
import { takePlace } from './take-place.ts'
import type { Place, Trees } from './trees.ts'
import type { Settled } from '../workshop.ts'
import { openToOwner } from './workspaces.ts'

export interface Surroundings {
  trees: Trees
  settled: Settled
  shared: SharedDirectory
  network: ServiceNetwork
  groups: Groups
  /** The run's result, where a verdict that was stored while it waited spares it. */
  takenMeanwhile: (run: PlannedRun) => Promise<RunResult | undefined>
  /** Of a service. */
  service?: Service | undefined
}

/**
 * Executes one run when its turn has come and a slot is free. A service takes no slot: it would wait for the jobs that
 * wait for it. Never rejects: what goes wrong on our side is `errored`, so that the build waits for its other runs.
 */
export async function executeRun(attempt: Attempt, run: PlannedRun, surroundings: Surroundings): Promise<RunResult> {
  const { record } = attempt
  // Where there is but one run, the build's own sentences tell it; a service is told when it breaks.
  const told = surroundings.settled.plan.runs.length > 1 && surroundings.service === undefined
  const giveBack = await takePlace(attempt, run, { runs: surroundings.settled.plan.runs, slot: surroundings.service === undefined, groups: surroundings.groups })
  if (giveBack === undefined) return { name: run.name, verdict: 'cancelled' }
  try {
    const taken = surroundings.service === undefined ? await surroundings.takenMeanwhile(run) : undefined
    if (taken !== undefined) return taken
    const kept = record.openRun(run)
    const started = new Date().toISOString()
    if (told) record.say(`Run ${run.name} starts.`)
    const carriedOut = await carryOut(attempt, run, { ...surroundings, kept })
    const { ending: { verdict, code, reason, notes = [] }, hidden } = carriedOut
    await keepFirstError(attempt, run, { verdict, directory: kept.directory, hidden })
    for (const sentence of notes) record.say(`Run ${run.name}: ${sentence}.`)
    if (told) record.say(sentenceOf(`Run ${run.name}`, { verdict, code, reason }))
    kept.setStatus(statusOf(surroundings.service === undefined ? verdict : verdictOfService(verdict, surroundings.service.over.aborted)))
    attempt.allowance.keep(kept.directory)
    return { name: run.name, ...toldOf(carriedOut), started, ended: new Date().toISOString() }
  } catch (error) {
    return { name: run.name, ...errored(attempt, run, error) }
  } finally {
    giveBack()
  }
}

/** What became of a run that was begun. */
interface CarriedOut {
  ending: Ending
  /** What it wrote for the report, secrets hidden. */
  note?: string | undefined
  /** A sentence for each secret that it did not get. */
  withheld: string[]
  /** The values that nothing may show. */
  hidden: string[]
}

/** What the build's result tells of it. */
function toldOf({ ending: { verdict, code, signal, reason }, note, withheld }: CarriedOut): Omit<RunResult, 'name'> {
  return { verdict, ...(code !== undefined && { code }), ...(signal && { signal }), ...(reason !== undefined && { reason }), ...(note !== undefined && { note }), ...(withheld.length > 0 && { withheld }) }
}

async function carryOut(attempt: Attempt, run: PlannedRun, surroundings: Surroundings & { kept: RunRecord }): Promise<CarriedOut> {
  const { workshop, stop } = attempt
  const { trees, settled, shared, service, kept } = surroundings
  const log = openConsoleLog(join(kept.directory, 'console.log'), workshop.logLimit)
  let hidden: string[] = []
  try {
    const place = await trees.prepare(run)
    const ruined = whyRuined(run, place)
    if (ruined !== undefined) {
      log.write(Buffer.from(`quern: ${ruined}\n`))
      return { ending: { verdict: 'failed', reason: ruined }, withheld: [], hidden }
    }
    const disclosed = await settled.disclose(run)
    hidden = disclosed.hidden
    for (const sentence of disclosed.withheld) attempt.record.say(`Run ${run.name}: ${sentence}`)
    const executor = await workshop.executor(run.executor)
    const reach = await surroundings.network.of(run)
    const signal = service === undefined ? stop.signal : AbortSignal.any([stop.signal, service.over])
    const ending = await masked(hidden, log, (output) => {
      const watched = service === undefined ? output : watchStart(run, output, service.usable)
      return executor.execute({ ...executionOf(attempt, run, { place, disclosed, kept, output: watched }), ...reach, ...(shared.path !== undefined && run.closed !== true && { shared: shared.path }) }, signal)
    })
    openToOwner(place)
    const final = await keepWhatItLeft(attempt, run, { ending, place, hidden, kept, log })
    return { ending: final, note: await maskedText(shared.noteOf(run), hidden), withheld: disclosed.withheld, hidden }
  } catch (error) {
    // The system names files as they are, and a job may name one by a secret.
    const shown = hidden.length === 0 ? error : new Error(await maskedText((error as Error).message, hidden))
    return { ending: errored(attempt, run, shown), withheld: [], hidden }
  } finally {
    // First the tree: a job that filled the disk leaves no room for what the log still holds.
    await trees.leave(run).finally(() => log.close())
  }
}

/** A job may remove its tree, or put a link in its place, which would lead the next one who knows where. */
function whyRuined({ workspace }: PlannedRun, { tree }: Place): string | undefined {
  if (typeof workspace !== 'object' || lstatSync(tree, { throwIfNoEntry: false })?.isDirectory()) return undefined
  return `the tree that it takes over from ${workspace.from} is no directory any more: a run before it has removed or replaced it`
}

function errored({ workshop, claim }: Attempt, run: PlannedRun, error: unknown): Ending & { verdict: 'errored' } {
  workshop.log.error({ err: error, build: buildName(claim.build), run: run.name }, 'the run errored')
  return { verdict: 'errored', reason: (error as Error).message }
}

async function maskedText<T extends string | undefined>(text: T, hidden: string[]): Promise<T | string> {
  if (text === undefined || hidden.length === 0) return text
  const { maskText } = await import('../../secrets/mask.ts')
  return maskText(text, hidden)
}

/** Lets output through to the log, secrets hidden. A run that knows none is not searched. */
async function masked(hidden: string[], log: ConsoleLog, work: (output: Execution['output']) => Promise<Ending>): Promise<Ending> {
  if (hidden.length === 0) return work(log.write)
  const { createMasker } = await import('../../secrets/mask.ts')
  const masker = createMasker(hidden)
  const ending = await work((chunk) => log.write(masker.mask(chunk)))
  log.write(masker.flush())
  return ending
}
