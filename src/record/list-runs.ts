import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../disk/read.ts'
import type { RunResult } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import { statusOf, type Status } from '../model/verdict.ts'
import { wholeJson } from '../model/whole-json.ts'

/** A run as its directory in a record shows it, whether it has ended or not; one that never began has no directory. */
export interface ListedRun {
  name: string
  status: Status
  /** Where its output is; the file need not exist. */
  console: string
}

/** The runs of a build in the order of its result, those that were skipped among them, or, while it runs, in the order in which their directories were made. */
export function listRuns(buildDirectory: string, results: readonly RunResult[] = []): ListedRun[] {
  const directory = join(buildDirectory, 'runs')
  const order = new Map(results.map(({ name }, index) => [name, index]))
  const names = new Map(results.map(({ name }) => [directoryName(name), name]))
  const begun = (orMissing(() => readdirSync(directory)) ?? []).map((name) => readRun(join(directory, name), names.get(name) ?? name)).filter((run) => run !== undefined)
  const known = new Set(begun.map(({ name }) => name))
  const others = results.filter(({ name }) => !known.has(name)).map(({ name, verdict }) => ({ name, status: statusOf(verdict), console: join(directory, directoryName(name), 'console.log'), made: 0 }))
  return [...begun, ...others]
    .toSorted((one, other) => (order.get(one.name) ?? order.size) - (order.get(other.name) ?? order.size) || one.made - other.made)
    .map(({ name, status, console }) => ({ name, status, console }))
}

function readRun(directory: string, fallback: string): (ListedRun & { made: number }) | undefined {
  const status = readIfThere(join(directory, 'status'))?.trim() as Status | undefined
  if (status === undefined) return undefined
  const params = wholeJson(readIfThere(join(directory, 'params'))) as { name?: unknown } | null | undefined
  return { name: typeof params?.name === 'string' ? params.name : fallback, status, console: join(directory, 'console.log'), made: statSync(directory).birthtimeMs }
}
