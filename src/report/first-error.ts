import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { writeAtomically } from '../disk/write.ts'
import { wholeJson } from '../model/whole-json.ts'
import type { Digest } from './digest.ts'
import { logDigest } from './log-digest.ts'
import { testResultsDigest } from './test-results.ts'

/** The first error of a run: in its log, and where that names none itself, the first failure in the test results among its artifacts. */
export async function findFirstError(runDirectory: string): Promise<Digest | undefined> {
  const digest = await logDigest(join(runDirectory, 'console.log'))
  if (digest !== undefined && !digest.guess && !digest.weak) return digest
  return (await testResultsDigest(join(runDirectory, 'artifacts'))) ?? digest
}

/**
 * Finds it once, when the run has ended, and keeps it in the record: to find it takes seconds where a log is large.
 * `shown` hides secrets, which are hidden in the log already, but not in what artifacts say.
 */
export async function keepFirstError(runDirectory: string, shown: (text: string) => string): Promise<void> {
  const digest = await findFirstError(runDirectory)
  if (digest === undefined) return
  const { text, lines, file, source } = digest
  const kept: Digest = { ...digest, text: shown(text), lines: shown(lines.join('\n')).split('\n'), ...(file !== undefined && { file: shown(file) }), ...(source !== undefined && { source: shown(source) }) }
  writeAtomically(pathOf(runDirectory), `${JSON.stringify(kept, null, 2)}\n`)
}

/** What was kept; undefined where nothing was, or a power cut tore it. */
export function keptFirstError(runDirectory: string): Digest | undefined {
  const digest = wholeJson(readIfThere(pathOf(runDirectory))) as Digest | null | undefined
  return Array.isArray(digest?.lines) ? digest! : undefined
}

function pathOf(runDirectory: string): string {
  return join(runDirectory, 'error.json')
}
