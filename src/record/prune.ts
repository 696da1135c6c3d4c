import { lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isCode, orMissing, readIfThere } from '../disk/read.ts'
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
    const old = retired(endedBuilds(directory), rulesOf(pipeline), now).filter(({ number }) => !inUse.has(buildName({ pipeline, number })))
    const pruned = old.map(({ number, bytes }) => ({ pipeline, number, bytes: bytes() }))
    return dryRun ? pruned : pruned.filter(({ number }) => remove(directory, String(number)))
  })
}

function endedBuilds(directory: string): Aged[] {
  return readdirSync(directory)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .flatMap((name) => {
      const record = join(directory, name)
      if (!isTerminal(readIfThere(join(record, 'status'))?.trim() as Status | undefined)) return []
      return [{ number: Number(name), ended: () => endOf(record), bytes: () => orMissing(() => bytesIn(record)) ?? 0 }]
    })
}

/** When the build ended; where the result cannot be read, when its record was last changed. */
function endOf(record: string): number {
  const result = readResult(readIfThere(join(record, 'result.json')))
  return result === undefined ? (orMissing(() => lstatSync(record).mtimeMs) ?? 0) : Date.parse(result.ended)
}

/** @returns whether it was there: another prune may be at work */
function remove(directory: string, name: string): boolean {
  const path = join(directory, `${doomed}${name}`)
  try {
    renameSync(join(directory, name), path)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
  empty(path)
  return true
}

/** Of a prune that died, or that is at work. */
function finishRemovals(directory: string): void {
  for (const name of readdirSync(directory)) if (name.startsWith(doomed)) empty(join(directory, name))
}

/** Two that remove the same tree take directories from under each other. */
function empty(path: string): void {
  orMissing(() => rmSync(path, { recursive: true, force: true }))
}
