import { readJobDefinition } from '../../plan/read-job-definitions.ts'
import { jobDefinitions } from '../plan-settings.ts'
import type { QuernConfig } from '../open-config.ts'
import { wrong, type Check } from './check.ts'

/** Job definitions that quern.yaml names and that cannot be read: all that comes there would be accepted, and errored. */
export async function checkPipelines({ home, structure: { hooks, patchwork } }: QuernConfig): Promise<Check[]> {
  const named = [
    ...hooks.map(({ id, pipeline }) => ({ by: `the hook ${id}`, pipeline })),
    ...patchwork.flatMap(({ project, pipelines }) => pipelines.map((pipeline) => ({ by: `the Patchwork project ${project}`, pipeline }))),
  ]
  const checks: Check[] = []
  for (const { by, pipeline } of named) {
    const job = /^job:(.+)$/s.exec(pipeline ?? '')?.[1]
    const problem = job === undefined ? undefined : await problemOf(jobDefinitions(home), job)
    if (problem !== undefined) checks.push(wrong('pipelines', `quern.yaml names ${pipeline} for ${by}: ${problem}`, 'write that job definition or mend it, or name another pipeline in quern.yaml'))
  }
  return checks
}

async function problemOf(directory: string, job: string): Promise<string | undefined> {
  try {
    await readJobDefinition(directory, job)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
