import { directoryName, repositoryDirectory } from '../model/names.ts'
import type { Request } from '../model/request.ts'
import { planChunks } from './chunks.ts'
import type { ChunkSettings, Planned } from './chunks.ts'
import { PlanError } from './plan-error.ts'

/** The pipeline that builds a request. */
export interface Choice {
  /** `chunks`, `job:<name>` or `file:<path>` */
  pipeline: string
  /** Who chose it, a sentence. */
  why: string
  /** Directory of its records under builds/. */
  directory: string
}

/** Chooses by the request's own word, then its hook's or source's, then script chunks. Takes any word; settling it may fail. */
export function choosePipeline(request: Request, configured?: string): Choice {
  if (request.pipeline !== undefined) return choice(request, request.pipeline, 'the request names this pipeline')
  if (configured !== undefined) return choice(request, configured, `quern.yaml names this pipeline for ${request.hook === undefined ? 'its source' : `the hook ${request.hook}`}`)
  return choice(request, 'chunks', 'script chunks are the pipeline where nothing else is named')
}

export type PlanSettings = ChunkSettings

/** Settles the request by the chosen pipeline. @throws {PlanError} saying what is missing or wrong */
export function settlePlan(request: Request, { pipeline, why }: Choice, settings: PlanSettings): Planned {
  if (pipeline === 'chunks') return planChunks(request, why, settings)
  throw new PlanError(`no pipeline "${pipeline}" (${why}): expected "chunks"`)
}

function choice(request: Request, pipeline: string, why: string): Choice {
  const job = /^job:(.+)$/s.exec(pipeline)?.[1]
  return { pipeline, why, directory: job === undefined ? repositoryDirectory(request) : directoryName(job) }
}
