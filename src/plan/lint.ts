import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { YamlError } from '../yaml/parse-yaml.ts'
import type { ChunkSettings } from './chunks.ts'
import { requireEngineGrant, requireMountGrants } from './grants.ts'
import type { JobDefinition } from './job-definition.ts'
import type { JobPlanSettings } from './job-plan.ts'
import { readWithNeeds } from './needed-jobs.ts'
import { PlanError } from './plan-error.ts'
import { readChunk } from './read-chunk.ts'
import { readJobDefinitions } from './read-job-definitions.ts'

/** What was looked at, and each mistake as a line that names its file. */
export interface Linted {
  jobs: string[]
  chunks: string[]
  problems: string[]
}

/** Checks every job definition, what each needs and asks this server for, and every script chunk. */
export async function lint(settings: Pick<ChunkSettings, 'directories'> & Pick<JobPlanSettings, 'definitions' | 'grants'>): Promise<Linted> {
  const { definitions, problems } = await readJobDefinitions(settings.definitions)
  const found = { jobs: definitions.map(({ name }) => name), chunks: settings.directories.flatMap(chunksIn), problems: [...problems] }
  for (const job of definitions) await collect(found.problems, () => lintJob(job, settings), `${job.file}: `)
  for (const chunk of found.chunks) await collect(found.problems, () => readChunk(chunk))
  return { ...found, problems: found.problems.flatMap((problem) => problem.split('\n')) }
}

async function lintJob(job: JobDefinition, { definitions, grants }: Parameters<typeof lint>[0]): Promise<void> {
  requireEngineGrant(job, grants)
  requireMountGrants(job, grants)
  await readWithNeeds(definitions, job.name)
}

/** A mistake in a needed file has been told as that file's own. */
async function collect(problems: string[], check: () => unknown, place = ''): Promise<void> {
  try {
    await check()
  } catch (error) {
    if (error instanceof YamlError) return
    if (!(error instanceof PlanError)) throw error
    problems.push(`${place}${error.message}`)
  }
}

function chunksIn(directory: string): string[] {
  const names = orMissing(() => readdirSync(directory)) ?? []
  return names.filter((name) => /^(?:checkout_repos|build_packages|distribute)(?:_[A-Za-z0-9._-]+)?$/.test(name)).map((name) => join(directory, name))
}
