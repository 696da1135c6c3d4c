import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { orMissing, readIfThere } from '../disk/read.ts'
import { directoryName } from '../model/names.ts'
import type { Plan } from '../model/plan.ts'
import { isTerminal, type Stage, type Status } from '../model/verdict.ts'
import type { RunSoFar } from '../report/story.ts'

/** Runs that are looked at in all, and between two looks at deliveries. */
const most = 5000
const atATime = 50

/** The runs of a build without a result, each with its directory: those of the plan in its order, then what was executed besides, like a second try. */
export async function readRunsSoFar(buildDirectory: string, plan: Plan | undefined, status: Status): Promise<{ runs: RunSoFar[]; directories: string[] }> {
  const parent = join(buildDirectory, 'runs')
  const names = new Map((plan?.runs ?? []).map(({ name }) => [directoryName(name), name]))
  const planned = (plan?.runs ?? []).map(({ name }) => directoryName(name))
  const begun = new Set(await readdir(parent).catch(() => []))
  const directories = [...new Set([...planned, ...begun])].slice(0, most)
  const runs: RunSoFar[] = []
  for (const [index, directory] of directories.entries()) {
    if (index % atATime === atATime - 1) await breathe()
    runs.push({ name: names.get(directory) ?? directory, ...((begun.has(directory) && stageOf(join(parent, directory))) || { verdict: isTerminal(status) ? 'skipped' : 'queued' }) })
  }
  return { runs, directories }
}

/** How far a run is, from its directory; undefined where it has none. The times are those of the files. */
function stageOf(directory: string): Pick<RunSoFar, 'verdict' | 'started' | 'ended'> | undefined {
  const status = readIfThere(join(directory, 'status'))?.trim() as Status | undefined
  const made = status && orMissing(() => statSync(directory))
  if (status === undefined || made === undefined) return undefined
  const ended = isTerminal(status) ? orMissing(() => statSync(join(directory, 'status'))) : undefined
  return { verdict: status.toLowerCase() as Stage, started: made.birthtime.toISOString(), ...(ended && { ended: ended.mtime.toISOString() }) }
}
