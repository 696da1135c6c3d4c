import { appendFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../disk/read.ts'
import { writeAtomically } from '../disk/write.ts'
import type { BuildResult } from '../model/build.ts'
import { readResult } from './read-result.ts'

/** Adds a finished build to builds/index.jsonl. The index is a convenience: it can be made again from the records. */
export function addToIndex(home: string, result: BuildResult): void {
  appendFileSync(indexPath(home), `${JSON.stringify(result)}\n`)
}

/** Makes builds/index.jsonl anew from the records, in the order in which the builds ended. Returns how many there are. */
export function rebuildIndex(home: string): number {
  const results = pipelines(home).flatMap((pipeline) => resultsOf(join(home, 'builds', pipeline)))
  results.sort((one, other) => one.ended.localeCompare(other.ended))
  writeAtomically(indexPath(home), results.map((result) => `${JSON.stringify(result)}\n`).join(''), { durable: true })
  return results.length
}

/** The pipelines that have records. */
export function pipelines(home: string): string[] {
  const entries = orMissing(() => readdirSync(join(home, 'builds'), { withFileTypes: true })) ?? []
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

function resultsOf(directory: string): BuildResult[] {
  return readdirSync(directory)
    .map((number) => readResult(readIfThere(join(directory, number, 'result.json'))))
    .filter((result) => result !== undefined)
}

function indexPath(home: string): string {
  return join(home, 'builds', 'index.jsonl')
}
