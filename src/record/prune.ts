import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { buildName, type BuildId } from '../model/build.ts'
import { isTerminal, type Status } from '../model/verdict.ts'
import { pipelines } from './build-index.ts'
import { bytesIn } from './bytes-in.ts'
import { readResult } from './read-result.ts'
import { retired, type Aged, type RetentionRules } from './retention.ts'

/** A record that retention removes. */
export interface Pruned extends BuildId {
  bytes: number
}

/** What the name of a record begins with from the moment when it is removed: readers see all of a record or nothing. */
const doomed = '.pruned-'

/**
 * Removes the records that retention does not keep, and returns them. Builds that have not ended stay, as do those that
 * `inUse` names: their entries or reports still need them.
 */
export function pruneRecords(home: string, { rulesOf, inUse, now, dryRun }: { rulesOf: (pipeline: string) => RetentionRules; inUse: Set<string>; now: number; dryRun: boolean }): Pruned[] {
  return pipelines(home).flatMap((pipeline) => {
    const directory = join(home, 'builds', pipeline)
    if (!dryRun) finishRemovals(directory)
    const removed = retired(endedBuilds(directory), rulesOf(pipeline), now).filter(({ number }) => !inUse.has(buildName({ pipeline, number })))
    const pruned = removed.map(({ number, bytes }) => ({ pipeline, number, bytes: bytes() }))
    if (!dryRun) for (const { number } of pruned) remove(directory, String(number))
    return pruned
  })
}

function endedBuilds(directory: string): Aged[] {
  return readdirSync(directory)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .flatMap((name) => {
      const record = join(directory, name)
      if (!isTerminal(readIfThere(join(record, 'status'))?.trim() as Status | undefined)) return []
      return [{ number: Number(name), ended: () => endOf(record), bytes: () => bytesIn(record) }]
    })
}

/** When the build ended; where the result cannot be read, when its record was last changed. */
function endOf(record: string): number {
  const result = readResult(readIfThere(join(record, 'result.json')))
  return result === undefined ? lstatSync(record).mtimeMs : Date.parse(result.ended)
}

function remove(directory: string, name: string): void {
  renameSync(join(directory, name), join(directory, `${doomed}${name}`))
  rmSync(join(directory, `${doomed}${name}`), { recursive: true, force: true })
}

/** Of a prune that died. */
function finishRemovals(directory: string): void {
  for (const name of readdirSync(directory)) if (name.startsWith(doomed)) rmSync(join(directory, name), { recursive: true, force: true })
}
