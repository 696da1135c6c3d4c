import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../disk/read.ts'
import type { RunResult } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import type { Status } from '../model/verdict.ts'

/** A run as its directory in a record shows it, whether it has ended or not. */
export interface ListedRun {
  name: string
  status: Status
  /** Where its output is; the file need not exist. */
  console: string
}

/** The runs of a build in the order of its result, or, while it runs, in the order in which their directories were made. */
export function listRuns(buildDirectory: string, results: readonly RunResult[] = []): ListedRun[] {
  const directory = join(buildDirectory, 'runs')
  const order = new Map(results.map(({ name }, index) => [name, index]))
  const names = new Map(results.map(({ name }) => [directoryName(name), name]))
  return (orMissing(() => readdirSync(directory)) ?? [])
    .map((name) => readRun(join(directory, name), names.get(name) ?? name))
    .filter((run) => run !== undefined)
    .toSorted((one, other) => (order.get(one.name) ?? order.size) - (order.get(other.name) ?? order.size) || one.made - other.made)
    .map(({ name, status, console }) => ({ name, status, console }))
}

function readRun(directory: string, fallback: string): (ListedRun & { made: number }) | undefined {
  const status = readIfThere(join(directory, 'status'))?.trim() as Status | undefined
  if (status === undefined) return undefined
  const params = readIfThere(join(directory, 'params'))
  const { name = fallback } = (params === undefined ? {} : JSON.parse(params)) as { name?: string }
  return { name, status, console: join(directory, 'console.log'), made: statSync(directory).birthtimeMs }
}
