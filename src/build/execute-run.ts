import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ending, Execution } from '../executor/executor.ts'
import { buildName, type RunResult } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'
import { isTrusted } from '../model/request.ts'
import { statusOf } from '../model/verdict.ts'
import type { RunRecord } from '../record/build-record.ts'
import { openConsoleLog, type ConsoleLog } from '../record/console-log.ts'
import type { Attempt } from './attempt.ts'
import type { Place, Trees } from './trees.ts'
import type { Disclosed, Settled } from './workshop.ts'

interface Surroundings {
  trees: Trees
  settled: Settled
}

/** Executes one run when its turn has come and a slot is free. What goes wrong on our side is `errored`. */
export async function executeRun(attempt: Attempt, run: PlannedRun, surroundings: Surroundings): Promise<RunResult> {
  const { workshop, takeSlot, stop, record } = attempt
  const endTurn = run.group === undefined ? () => {} : await workshop.turns.wait(run.group)
  const giveSlot = await takeSlot()
  try {
    if (stop.signal.aborted) return { name: run.name, verdict: 'cancelled' }
    const kept = record.openRun(run)
    const started = new Date().toISOString()
    const { verdict, code, signal, reason, notes = [] } = await carryOut(attempt, run, { ...surroundings, kept })
    for (const sentence of notes) record.say(`Run ${run.name}: ${sentence}.`)
    kept.setStatus(statusOf(verdict))
    return { name: run.name, verdict, ...(code !== undefined && { code }), ...(signal && { signal }), ...(reason !== undefined && { reason }), started, ended: new Date().toISOString() }
  } finally {
    giveSlot()
    endTurn()
  }
}

async function carryOut(attempt: Attempt, run: PlannedRun, { trees, settled, kept }: Surroundings & { kept: RunRecord }): Promise<Ending> {
  const { workshop, claim, stop } = attempt
  const log = openConsoleLog(join(kept.directory, 'console.log'), workshop.logLimit)
  try {
    const place = await trees.prepare(run)
    const disclosed = await settled.disclose(run)
    for (const sentence of disclosed.withheld) attempt.record.say(`Run ${run.name}: ${sentence}`)
    const executor = await workshop.executor(run.executor)
    return await masked(disclosed.hidden, log, (output) => executor.execute(executionOf(attempt, run, { place, disclosed, settled, output }), stop.signal))
  } catch (error) {
    workshop.log.error({ err: error, build: buildName(claim.build), run: run.name }, 'the run errored')
    return { verdict: 'errored', reason: (error as Error).message }
  } finally {
    log.close()
    await trees.leave(run)
  }
}

/** Lets output through to the log, secrets hidden. A run that knows none is not searched. */
async function masked(hidden: string[], log: ConsoleLog, work: (output: Execution['output']) => Promise<Ending>): Promise<Ending> {
  if (hidden.length === 0) return work(log.write)
  const { createMasker } = await import('../secrets/mask.ts')
  const masker = createMasker(hidden)
  const ending = await work((chunk) => log.write(masker.mask(chunk)))
  log.write(masker.flush())
  return ending
}

interface Means {
  place: Place
  disclosed: Disclosed
  settled: Settled
  output: Execution['output']
}

function executionOf({ workshop, claim }: Attempt, run: PlannedRun, { place, disclosed, settled, output }: Means): Execution {
  const script = join(place.directory, 'script')
  writeFileSync(script, run.script)
  const { memory, cpus, image, mounts = [] } = run
  return {
    id: `${workshop.homeId}/${buildName(claim.build)}/${run.name}`,
    script,
    workspace: place.tree,
    env: { ...workshop.world, TMPDIR: place.temporary, BUILD_NUMBER: String(claim.build.number), ...run.env, ...disclosed.env },
    output,
    limits: { ...workshop.limits, timeout: run.timeout * 60_000, ...(memory !== undefined && { memory: memory * 1024 ** 2 }), ...(cpus !== undefined && { cpus }) },
    network: !run.network ? 'none' : isTrusted(settled.request) ? 'host' : 'isolated',
    ...(image !== undefined && { image }),
    mounts: [...place.mounts, ...mounts],
  }
}
