import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ending, Execution } from '../executor/executor.ts'
import { buildName, type RunResult } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'
import { isTrusted, type Request } from '../model/request.ts'
import { statusOf } from '../model/verdict.ts'
import type { RunRecord } from '../record/build-record.ts'
import { openConsoleLog } from '../record/console-log.ts'
import type { Attempt } from './attempt.ts'
import type { Place, Trees } from './trees.ts'

interface Surroundings {
  trees: Trees
  request: Request
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

async function carryOut(attempt: Attempt, run: PlannedRun, { trees, request, kept }: Surroundings & { kept: RunRecord }): Promise<Ending> {
  const { workshop, claim, stop } = attempt
  const console = openConsoleLog(join(kept.directory, 'console.log'), workshop.logLimit)
  try {
    const place = await trees.prepare(run)
    const executor = await workshop.executor(run.executor)
    return await executor.execute(executionOf(attempt, run, { place, request, output: console.write }), stop.signal)
  } catch (error) {
    workshop.log.error({ err: error, build: buildName(claim.build), run: run.name }, 'the run errored')
    return { verdict: 'errored', reason: (error as Error).message }
  } finally {
    console.close()
    await trees.leave(run)
  }
}

function executionOf({ workshop, claim }: Attempt, run: PlannedRun, { place, request, output }: { place: Place; request: Request; output: Execution['output'] }): Execution {
  const script = join(place.directory, 'script')
  writeFileSync(script, run.script)
  const { memory, cpus, image, mounts = [] } = run
  return {
    id: `${workshop.homeId}/${buildName(claim.build)}/${run.name}`,
    script,
    workspace: place.tree,
    env: { ...workshop.world, TMPDIR: place.temporary, BUILD_NUMBER: String(claim.build.number), ...run.env },
    output,
    limits: { ...workshop.limits, timeout: run.timeout * 60_000, ...(memory !== undefined && { memory: memory * 1024 ** 2 }), ...(cpus !== undefined && { cpus }) },
    network: !run.network ? 'none' : isTrusted(request) ? 'host' : 'isolated',
    ...(image !== undefined && { image }),
    mounts: [...place.mounts, ...mounts],
  }
}
