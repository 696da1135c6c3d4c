import { jobDirectory, repositoryDirectory } from '../model/names.ts'
import { namesCommit, type Request } from '../model/request.ts'
import { planChunks } from './chunks.ts'
import type { ChunkSettings } from './chunks.ts'
import type { JobPlanSettings } from './job-plan.ts'
import { PlanError } from './plan-error.ts'
import type { PipelinePlanSettings } from './pipeline/plan-pipeline.ts'
import type { Planned } from './planned.ts'

/** The pipeline that builds a request. */
export interface Choice {
  /** `chunks`, `job:<name>` or `file:<path>` */
  pipeline: string
  /** Who chose it, a sentence. */
  why: string
  /** Directory of its records under builds/. */
  directory: string
  /** Where the commit has a pipeline file of its own, that one is taken instead; see `ownPipeline`. */
  unlessOwn?: boolean
}

/** The files that are a commit's own pipeline, the first that is there. */
export const ownPipelines = ['.quern/pipeline.ts', '.quern/pipeline.js']

/**
 * Chooses by the request's own word, then its hook's or source's, then what the commit brings along, then script chunks.
 * A home with chunks of its own has said what builds its pushes: there no commit is looked into, and no git is run for it.
 * Takes any word; settling it may fail.
 */
export function choosePipeline(request: Request, configured?: string, { ownChunks }: { ownChunks: boolean } = { ownChunks: true }): Choice {
  const ofHook = `quern.yaml names this pipeline for ${request.hook === undefined ? 'its source' : `the hook ${request.hook}`}`
  // A receiver writes its hook's pipeline into the entry, so that a later change of quern.yaml does not touch what waits.
  if (request.pipeline !== undefined) return choice(request, request.pipeline, request.pipeline === configured ? ofHook : 'the request names this pipeline')
  if (configured !== undefined) return choice(request, configured, ofHook)
  const otherwise = 'script chunks are the pipeline where nothing else is named'
  if (!namesCommit(request)) return choice(request, 'chunks', otherwise)
  if (ownChunks) return choice(request, 'chunks', `${otherwise}; the home has some of its own in scripts/, so that no commit is looked into for a .quern/pipeline.ts`)
  return { ...choice(request, 'chunks', `${otherwise} and the commit has no .quern/pipeline.ts`), unlessOwn: true }
}

/** The choice of a pipeline file that the commit was found to have. */
export function ownPipeline(chosen: Choice, path: string): Choice {
  return { pipeline: `file:${path}`, why: `the commit has a ${path}, and quern.yaml names no other pipeline`, directory: chosen.directory }
}

export type PlanSettings = ChunkSettings & JobPlanSettings & PipelinePlanSettings

/** Settles the request by the chosen pipeline. @throws {PlanError} or {YamlError} saying what is missing or wrong */
export async function settlePlan(request: Request, chosen: Choice, settings: PlanSettings): Promise<Planned> {
  const { pipeline, why } = chosen
  if (pipeline === 'chunks') return planChunks(request, why, settings)
  if (pipeline.startsWith('job:')) {
    const { planJob } = await import('./job-plan.ts')
    return planJob(request, pipeline.slice('job:'.length), { choice: chosen, settings })
  }
  if (pipeline.startsWith('file:')) {
    const { planPipeline } = await import('./pipeline/plan-pipeline.ts')
    return planPipeline(request, filePath(pipeline), { pipeline, why, settings })
  }
  throw new PlanError(`no pipeline "${pipeline}" (${why}): expected "chunks", "job:<name>" or "file:<path>"`)
}

/** The path in `file:<path>`. @throws {PlanError} where it may lead out of the commit */
function filePath(pipeline: string): string {
  const path = pipeline.slice('file:'.length).replace(/^\.\//, '')
  if (/^[^/\p{Cc}][^\p{Cc}]*\.[cm]?[jt]s$/u.test(path) && !path.split('/').some((part) => part === '..' || part === '.git')) return path
  throw new PlanError(`the pipeline ${JSON.stringify(pipeline)}: expected "file:" and a path below the repository's top that ends in .ts or .js`)
}

function choice(request: Request, pipeline: string, why: string): Choice {
  const job = /^job:(.+)$/s.exec(pipeline)?.[1]
  return { pipeline, why, directory: job === undefined ? repositoryDirectory(request) : jobDirectory(job) }
}
