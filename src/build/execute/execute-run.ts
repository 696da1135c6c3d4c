import { lstatSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../../disk/read.ts'
import type { Ending, Execution } from '../../executor/executor.ts'
import { buildName, type RunResult } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import { isTrusted } from '../../model/request.ts'
import { readableLine } from '../../model/readable.ts'
import { statusOf } from '../../model/verdict.ts'
import type { RunRecord } from '../../record/build-record.ts'
import { openConsoleLog, type ConsoleLog } from '../../record/console-log.ts'
import type { Attempt } from '../attempt.ts'
import type { Groups } from './groups.ts'
import { keepFirstError } from './keep-first-error.ts'
import { verdictOfService, type Service } from './schedule.ts'
import type { ServiceNetwork } from './service-network.ts'
import { sentenceOf } from '../sentence-of.ts'
import { scriptOf, watchStart } from './service-start.ts'
import type { SharedDirectory } from './shared-directory.ts'
import { takePlace } from './take-place.ts'
import type { Place, Trees } from './trees.ts'
import type { Disclosed, Settled } from '../workshop.ts'
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
    const { verdict, code, signal, reason, notes = [], note, withheld = [], hidden = [] } = await carryOut(attempt, run, { ...surroundings, kept })
    await keepFirstError(attempt, run, { verdict, directory: kept.directory, hidden })
    for (const sentence of notes) record.say(`Run ${run.name}: ${sentence}.`)
    if (told) record.say(sentenceOf(`Run ${run.name}`, { verdict, code, reason }))
    kept.setStatus(statusOf(surroundings.service === undefined ? verdict : verdictOfService(verdict, surroundings.service.over.aborted)))
    attempt.allowance.keep(kept.directory)
    return { name: run.name, verdict, ...(code !== undefined && { code }), ...(signal && { signal }), ...(reason !== undefined && { reason }), ...(note !== undefined && { note }), ...(withheld.length > 0 && { withheld }), started, ended: new Date().toISOString() }
  } catch (error) {
    return { name: run.name, ...errored(attempt, run, error) }
  } finally {
    giveBack()
  }
}

async function carryOut(attempt: Attempt, run: PlannedRun, surroundings: Surroundings & { kept: RunRecord }): Promise<Ending & { note?: string; hidden?: string[]; withheld?: string[] }> {
  const { workshop, stop } = attempt
  const { trees, settled, shared, service, kept } = surroundings
  const log = openConsoleLog(join(kept.directory, 'console.log'), workshop.logLimit)
  try {
    const place = await trees.prepare(run)
    const ruined = whyRuined(run, place)
    if (ruined !== undefined) {
      log.write(Buffer.from(`quern: ${ruined}\n`))
      return { verdict: 'failed', reason: ruined }
    }
    const disclosed = await settled.disclose(run)
    for (const sentence of disclosed.withheld) attempt.record.say(`Run ${run.name}: ${sentence}`)
    const executor = await workshop.executor(run.executor)
    const reach = await surroundings.network.of(run)
    const signal = service === undefined ? stop.signal : AbortSignal.any([stop.signal, service.over])
    const ending = await masked(disclosed.hidden, log, (output) => {
      const watched = service === undefined ? output : watchStart(run, output, service.usable)
      return executor.execute({ ...executionOf(attempt, run, { place, disclosed, kept, output: watched }), ...reach, ...(shared.path !== undefined && run.closed !== true && { shared: shared.path }) }, signal)
    })
    openToOwner(place)
    const final = await withArtifacts(attempt, run, { ending, place, hidden: disclosed.hidden, kept, log })
    const { hidden, withheld } = disclosed
    const note = shared.noteOf(run)
    return note === undefined ? { ...final, hidden, withheld } : { ...final, hidden, withheld, note: await maskedNote(note, hidden) }
  } catch (error) {
    return errored(attempt, run, error)
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

async function maskedNote(note: string, hidden: string[]): Promise<string> {
  if (hidden.length === 0) return note
  const { maskText } = await import('../../secrets/mask.ts')
  return maskText(note, hidden)
}

/** Keeps what the run left behind, whatever its verdict. What is too much is the project's fault. */
async function withArtifacts({ workshop, record }: Attempt, run: PlannedRun, { ending, place, hidden, kept, log }: { ending: Ending; place: Place; hidden: string[]; kept: RunRecord; log: ConsoleLog }): Promise<Ending> {
  const { tree } = place
  const archive = run.archive === false ? undefined : place.archive
  if (run.artifacts.length === 0 && (archive === undefined || isEmpty(archive))) return ending
  const { keepArtifacts, ArtifactError } = await import('../../record/artifacts.ts')
  const { maskText } = await import('../../secrets/mask.ts')
  try {
    const { artifacts, nameless } = await keepArtifacts(kept.directory, {
      tree,
      globs: run.artifacts,
      archive,
      limit: workshop.artifactLimit,
      shown: (path) => maskText(path, hidden),
    })
    if (artifacts.length > 0) record.say(`Run ${run.name} left ${artifacts.length} artifact${artifacts.length === 1 ? '' : 's'}, ${artifacts.reduce((sum, { size }) => sum + size, 0)} bytes.`)
    if (nameless.length > 0) {
      const sentence = sentenceOnNameless(nameless)
      record.say(`Run ${run.name}: ${sentence}.`)
      log.write(Buffer.from(`quern: ${sentence}\n`))
    }
    return ending
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error
    log.write(Buffer.from(`quern: ${error.message}\n`))
    return ending.verdict === 'passed' ? { verdict: 'failed', reason: error.message } : ending
  }
}

function sentenceOnNameless(names: string[]): string {
  const some = names.slice(0, 3).map((name) => readableLine(JSON.stringify(name)).slice(0, 200))
  return `${names.length} file${names.length === 1 ? ' was' : 's were'} not kept as artifacts, since their names are no UTF-8 or have a line break: ${some.join(', ')}${names.length > 3 ? ', …' : ''}`
}

/** The job may have removed it, or put something else in its place. */
function isEmpty(directory: string): boolean {
  return (orMissing(() => readdirSync(directory)) ?? []).length === 0
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

interface Means {
  place: Place
  disclosed: Disclosed
  kept: RunRecord
  output: Execution['output']
}

function executionOf({ workshop, claim }: Attempt, run: PlannedRun, { place, disclosed, kept, output }: Means): Omit<Execution, 'network'> {
  const script = join(kept.directory, 'script')
  writeFileSync(script, scriptOf(run))
  const { memory, cpus, image, mounts = [] } = run
  return {
    id: `${workshop.homeId}/${buildName(claim.build)}/${run.name}`,
    script,
    workspace: place.path,
    start: place.tree,
    env: { ...workshop.world, TMPDIR: place.temporary, ...(run.archive !== false && { ARCHIVE_ROOT: place.archive }), ...(run.closed !== true && { BUILD_NUMBER: String(claim.build.number) }), ...run.env, ...disclosed.env },
    output,
    limits: { ...workshop.limits, timeout: run.timeout * 60_000, ...(memory !== undefined && { memory: memory * 1024 ** 2 }), ...(cpus !== undefined && { cpus }) },
    ...(image !== undefined && { image }),
    mounts: [...place.mounts, ...mounts],
    untrusted: !isTrusted(claim.request),
  }
}
