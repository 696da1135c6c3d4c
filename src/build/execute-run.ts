import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ending, Execution } from '../executor/executor.ts'
import { buildName, type RunResult } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'
import { isTrusted } from '../model/request.ts'
import { statusOf } from '../model/verdict.ts'
import type { Claim } from '../queue/queue.ts'
import type { BuildRecord, RunRecord } from '../record/build-record.ts'
import { openConsoleLog } from '../record/console-log.ts'
import type { TakeSlot } from './run-build.ts'
import type { Stop } from './stop.ts'
import type { Workshop } from './workshop.ts'
import { removeTree, runDirectory } from './work-directory.ts'

interface Bench {
  run: PlannedRun
  record: BuildRecord
  takeSlot: TakeSlot
  stop: Stop
}

/** Executes one run when a slot is free: a fresh directory, the script, its console log, its verdict. What goes wrong on our side is `errored`. */
export async function executeRun(workshop: Workshop, claim: Claim, { run, record, takeSlot, stop }: Bench): Promise<RunResult> {
  const give = await takeSlot()
  try {
    if (stop.signal.aborted) return { name: run.name, verdict: 'cancelled' }
    const kept = record.openRun(run)
    const started = new Date().toISOString()
    const ending = await carryOut(workshop, claim, { run, kept, stop })
    if (run.name !== 'build') record.say(`Run ${run.name} ${ending.verdict}${ending.reason === undefined ? '' : `: ${ending.reason}`}.`)
    kept.setStatus(statusOf(ending.verdict))
    return { name: run.name, ...ending, started, ended: new Date().toISOString() }
  } finally {
    give()
  }
}

async function carryOut(workshop: Workshop, claim: Claim, { run, kept, stop }: { run: PlannedRun; kept: RunRecord; stop: Stop }): Promise<Ending> {
  const directory = runDirectory(workshop.home, claim.build, run.name)
  const console = openConsoleLog(join(kept.directory, 'console.log'), workshop.logLimit)
  try {
    const executor = await workshop.executor(run.executor)
    return await executor.execute(executionOf(workshop, claim, { run, directory, output: console.write }), stop.signal)
  } catch (error) {
    workshop.log.error({ err: error, build: buildName(claim.build), run: run.name }, 'the run errored')
    return { verdict: 'errored', reason: (error as Error).message }
  } finally {
    console.close()
    await removeTree(directory)
  }
}

function executionOf(workshop: Workshop, claim: Claim, { run, directory, output }: { run: PlannedRun; directory: string; output: Execution['output'] }): Execution {
  const workspace = join(directory, 'tree')
  const temporary = join(directory, 'tmp')
  const script = join(directory, 'script')
  mkdirSync(workspace, { recursive: true })
  mkdirSync(temporary)
  writeFileSync(script, run.script)
  return {
    id: `${workshop.homeId}/${buildName(claim.build)}/${run.name}`,
    script,
    workspace,
    env: { ...workshop.world, TMPDIR: temporary, BUILD_NUMBER: String(claim.build.number), ...run.env },
    output,
    limits: { ...workshop.limits, timeout: run.timeout * 60_000, ...(run.memory !== undefined && { memory: run.memory * 1024 * 1024 }), ...(run.cpus !== undefined && { cpus: run.cpus }) },
    network: !run.network ? 'none' : isTrusted(claim.request) ? 'host' : 'isolated',
    ...(run.image !== undefined && { image: run.image }),
    ...(run.mounts !== undefined && { mounts: run.mounts }),
  }
}
