import { join } from 'node:path'
import type { BuildResult } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import type { Plan } from '../model/plan.ts'
import { wentWrong } from '../model/verdict.ts'
import type { Digest } from './digest.ts'
import { readRunExcerpt } from './run-excerpt.ts'
import type { ReportSource } from './story.ts'

/** Runs whose logs are read: a report shows the first errors only. */
const readRuns = 5

/** Reads from a build's record what its reports in text and Markdown are made of. `notes` are what the jobs left, by the job's name. */
export async function reportSource({ result, plan, directory }: { result: BuildResult; plan?: Plan | undefined; directory: string }, notes: Record<string, string> = {}): Promise<ReportSource> {
  const digests: Record<string, Digest> = {}
  const broken = result.runs.filter(({ verdict }) => wentWrong(verdict))
  for (const { name } of broken.slice(0, readRuns)) {
    const { digest } = await readRunExcerpt(join(directory, 'runs', directoryName(name)), 0)
    if (digest !== undefined) digests[name] = digest
  }
  return { result, plan, digests, notes }
}
