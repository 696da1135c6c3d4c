import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { directoryName } from '../../model/names.ts'
import { parseBuildName, type RunResult } from '../../model/build.ts'
import type { Plan, PlannedRun } from '../../model/plan.ts'
import { statusOf } from '../../model/verdict.ts'
import type { Attempt } from '../attempt.ts'
import type { StoredVerdict, Verdicts } from '../blame/verdicts.ts'

/**
 * The stored verdicts that spare runs of a plan. A run whose tree another one takes over is spared only together with
 * that one: a verdict brings no tree back.
 */
export function sparedRuns({ runs }: Plan, { keys, reusable, verdicts, asked }: { keys: Map<string, string>; reusable: Set<string>; verdicts: Pick<Verdicts, 'find'>; asked: 'request' | 'parent' }): Map<string, StoredVerdict> {
  const found = new Map<string, StoredVerdict>()
  for (const { name } of runs) {
    const key = reusable.has(name) ? keys.get(name) : undefined
    const stored = key === undefined ? undefined : verdicts.find(key, asked)
    if (stored !== undefined) found.set(name, stored)
  }
  const heirsOf = (name: string) => runs.filter(({ workspace }) => typeof workspace === 'object' && workspace.from === name)
  const isSpared = ({ name }: PlannedRun): boolean => found.get(name) !== undefined && (found.get(name)!.verdict !== 'passed' || heirsOf(name).every(isSpared))
  return new Map([...found].filter(([name]) => isSpared(runs.find((run) => run.name === name)!)))
}

/** Whether its outputs are there still: since it was found, a prune may have removed them. */
export function hasOutputs({ workshop }: Attempt, stored: StoredVerdict): boolean {
  return existsSync(outputsOf(workshop, stored))
}

function outputsOf({ records }: Attempt['workshop'], { build, run }: StoredVerdict): string {
  return join(records.directory(parseBuildName(build)!), 'runs', directoryName(run))
}

/** Records a run by a stored verdict, with the outputs of the run that it comes from. */
export function takeVerdict({ record, workshop }: Attempt, run: PlannedRun, stored: StoredVerdict): RunResult {
  const kept = record.openRun(run)
  const source = outputsOf(workshop, stored)
  for (const name of ['artifacts', 'artifacts.json', 'error.json']) {
    if (existsSync(join(source, name))) cpSync(join(source, name), join(kept.directory, name), { recursive: true })
  }
  writeFileSync(join(kept.directory, 'console.log'), `quern: not executed: the same was run on the same tree in ${stored.build}, run ${stored.run}; its output is there.\n`)
  kept.setStatus(statusOf(stored.verdict))
  record.say(`Run ${run.name} ${stored.verdict}: the verdict is taken from ${stored.build}.`)
  const { verdict, code, signal, reason, note } = stored
  const now = new Date().toISOString()
  return { name: run.name, verdict, ...(code !== undefined && { code }), ...(signal !== undefined && { signal }), ...(reason !== undefined && { reason }), ...(note !== undefined && { note }), started: now, ended: now, reused: stored.build, ...(stored.run !== run.name && { reused_run: stored.run }) }
}
