import { orMissing } from '../disk/read.ts'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { JobDefinition } from './job-definition.ts'
import { PlanError } from './plan-error.ts'
import { readJobDefinition } from './read-job-definitions.ts'

/** A job with the definitions that it needs. */
export interface LinkedJob {
  definition: JobDefinition
  /** By the word in `needs`. */
  needs: Map<string, LinkedJob>
}

/**
 * Reads a job and, through `needs`, all that it needs, each once.
 * @throws {PlanError} where a job is not there or needs itself in a circle, {YamlError} where a definition has mistakes
 */
export async function readWithNeeds(directory: string, name: string): Promise<LinkedJob> {
  const known = new Map<string, LinkedJob>()
  return link(name, [])

  async function link(job: string, above: string[]): Promise<LinkedJob> {
    if (above.includes(job)) throw new PlanError(`these jobs need each other in a circle: ${[...above.slice(above.indexOf(job)), job].join(' needs ')}`)
    const found = known.get(job)
    if (found !== undefined) return found
    const definition = await readNeeded(directory, job, above.at(-1))
    const needs = new Map<string, LinkedJob>()
    for (const need of definition.needs) needs.set(need, await link(nameOfNeed(directory, definition.name, need), [...above, job]))
    const linked = { definition, needs }
    known.set(job, linked)
    return linked
  }
}

async function readNeeded(directory: string, job: string, by: string | undefined): Promise<JobDefinition> {
  try {
    return await readJobDefinition(directory, job)
  } catch (error) {
    if (by !== undefined && error instanceof PlanError) throw new PlanError(`the job ${by} needs ${job}: ${error.message}`, { cause: error })
    throw error
  }
}

/** A need is a job of the same folder, or else one named with its folder. */
function nameOfNeed(directory: string, job: string, need: string): string {
  const sibling = join(job, '..', need)
  const isThere = !sibling.startsWith('..') && ['.yml', '.yaml'].some((ending) => orMissing(() => statSync(join(directory, sibling + ending))) !== undefined)
  return isThere ? sibling : need
}
