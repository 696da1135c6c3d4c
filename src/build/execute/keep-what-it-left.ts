import { readdirSync } from 'node:fs'
import { orMissing } from '../../disk/read.ts'
import type { Ending } from '../../executor/executor.ts'
import type { PlannedRun } from '../../model/plan.ts'
import { readableLine } from '../../model/readable.ts'
import type { RunRecord } from '../../record/build-record.ts'
import type { ConsoleLog } from '../../record/console-log.ts'
import type { Attempt } from '../attempt.ts'
import type { Place } from './trees.ts'

interface Left {
  ending: Ending
  place: Place
  hidden: string[]
  kept: RunRecord
  log: ConsoleLog
}

/** Keeps what the run left behind, whatever its verdict. What is too much is the project's fault. */
export async function keepWhatItLeft({ workshop, record }: Attempt, run: PlannedRun, { ending, place, hidden, kept, log }: Left): Promise<Ending> {
  const { tree } = place
  const archive = run.archive === false ? undefined : place.archive
  if (run.artifacts.length === 0 && (archive === undefined || isEmpty(archive))) return ending
  const { keepArtifacts, ArtifactError } = await import('../../record/artifacts.ts')
  const { maskText } = await import('../../secrets/mask.ts')
  try {
    const { artifacts, nameless } = await keepArtifacts(kept.directory, {
      tree,
      globs: run.artifacts,
      archive,
      limit: workshop.artifactLimit,
      shown: (path) => maskText(path, hidden),
    })
    if (artifacts.length > 0) record.say(`Run ${run.name} left ${artifacts.length} artifact${artifacts.length === 1 ? '' : 's'}, ${artifacts.reduce((sum, { size }) => sum + size, 0)} bytes.`)
    if (nameless.length > 0) {
      const sentence = sentenceOnNameless(nameless)
      record.say(`Run ${run.name}: ${sentence}.`)
      log.write(Buffer.from(`quern: ${sentence}\n`))
    }
    return ending
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error
    log.write(Buffer.from(`quern: ${error.message}\n`))
    return ending.verdict === 'passed' ? { verdict: 'failed', reason: error.message } : ending
  }
}

function sentenceOnNameless(names: string[]): string {
  const some = names.slice(0, 3).map((name) => readableLine(JSON.stringify(name)).slice(0, 200))
  return `${names.length} file${names.length === 1 ? ' was' : 's were'} not kept as artifacts, since their names are no UTF-8 or have a line break: ${some.join(', ')}${names.length > 3 ? ', …' : ''}`
}

/** The job may have removed it, or put something else in its place. */
function isEmpty(directory: string): boolean {
  return (orMissing(() => readdirSync(directory)) ?? []).length === 0
}
