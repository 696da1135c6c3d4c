import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildId } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'
import type { Artifact } from '../record/artifacts.ts'
import { keptFirstError } from '../report/first-error.ts'
import { storyOf, type RunSoFar, type Story } from '../report/story.ts'
import { readTail, type Tail } from '../report/tail.ts'
import { shownLog } from './read-build.ts'
import { readJson } from './read-json.ts'
import { readRecord, type ShownRecord } from './read-record.ts'

/** A run as its page shows it. */
export interface ShownRun {
  record: ShownRecord
  run: RunSoFar
  planned: PlannedRun | undefined
  /** This run alone in the words of every report. */
  story: Story
  /** The name of its directory, which need not be there: it may not have begun, or never will. */
  directory: string
  log: Tail
  /** Undefined where their list is too long for a page. */
  artifacts: Artifact[] | undefined
}

/** Bytes of a list of artifacts of which a page is made. */
const longestList = 1024 ** 2

/** Reads what the page of a run shows. The run is one that the build has or will have, so that no address can name another directory. */
export async function readRun(home: string, build: BuildId, directory: string): Promise<ShownRun | undefined> {
  const record = await readRecord(home, build)
  const run = record?.result.runs[record.directories.indexOf(directory)]
  if (record === undefined || run === undefined) return undefined
  const path = join(record.directory, 'runs', directory)
  const digest = keptFirstError(path)
  return {
    record,
    run,
    planned: (record.plan?.runs ?? []).find(({ name }) => name === (run.repeats ?? run.name)),
    story: storyOf({ ...record, result: { ...record.result, runs: [run] }, digests: digest === undefined ? {} : { [run.name]: digest } }),
    directory,
    log: await readTail(join(path, 'console.log'), shownLog),
    artifacts: await readArtifacts(join(path, 'artifacts.json')),
  }
}

async function readArtifacts(path: string): Promise<Artifact[] | undefined> {
  const listed = await readJson(path, longestList)
  return Array.isArray(listed) ? (listed as Artifact[]) : existsSync(path) ? undefined : []
}
