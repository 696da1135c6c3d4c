import { join } from 'node:path'
import type { BuildId } from '../model/build.ts'
import { wentWrong } from '../model/verdict.ts'
import type { Digest } from '../report/digest.ts'
import { keptFirstError } from '../report/first-error.ts'
import { storyOf, type Story } from '../report/story.ts'
import { readTail, type Tail } from '../report/tail.ts'
import { readRecord, type ShownRecord } from './read-record.ts'

/** A build as its page shows it. */
export interface ShownBuild {
  record: ShownRecord
  /** The build in the words of every report; its rows are the runs of the record's result. */
  story: Story
  /** The end of the build's own sentences, one a line, each with its time. */
  summary: string
  /** Where there is but one run, its log. */
  log: Tail | undefined
}

/** Bytes of the sentences, and of a log, of which a page is made. */
const shownSummary = 16 * 1024
export const shownLog = 64 * 1024

/** Runs whose first error is looked for. */
const askedRuns = 20

/** Reads what the page of a build shows; undefined where there is no such build. */
export async function readBuild(home: string, build: BuildId): Promise<ShownBuild | undefined> {
  const record = await readRecord(home, build)
  if (record === undefined) return undefined
  const { tail: summary } = await readTail(join(record.directory, 'summary.log'), shownSummary)
  const [directory, ...others] = record.directories
  const log = directory === undefined || others.length > 0 ? undefined : await readTail(join(record.directory, 'runs', directory, 'console.log'), shownLog)
  return { record, story: storyOf({ ...record, digests: firstErrors(record) }), summary, log }
}

/** What the runs that did not pass have kept of their logs. */
function firstErrors({ directory, directories, result }: ShownRecord): Record<string, Digest> {
  const digests: Record<string, Digest> = {}
  const broken = result.runs.map((run, index) => ({ ...run, index })).filter(({ verdict }) => wentWrong(verdict))
  for (const { name, index } of broken.slice(0, askedRuns)) {
    const digest = keptFirstError(join(directory, 'runs', directories[index]!))
    if (digest !== undefined) digests[name] = digest
  }
  return digests
}
