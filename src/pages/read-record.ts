import { statSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../disk/read.ts'
import { isResult, type BuildId } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import type { Plan } from '../model/plan.ts'
import { parseRequest, RequestError, type Request } from '../model/request.ts'
import type { Stage, Status } from '../model/verdict.ts'
import type { ResultSoFar } from '../report/story.ts'
import { readJson } from './read-json.ts'
import { readRunsSoFar } from './read-runs-so-far.ts'

/** What the record of a build says at this moment. */
export interface ShownRecord {
  build: BuildId
  directory: string
  request: Request
  /** Absent while the build is not planned, or where it never could be. */
  plan: Plan | undefined
  /** Of a build that has not ended, as much as there is. */
  result: ResultSoFar
  /** The directory of each of the result's runs, whether it is there or not. */
  directories: string[]
}

/** Bytes of each file that are read: a page is drawn between two deliveries. */
const most = { request: 1024 ** 2, plan: 8 * 1024 ** 2, result: 8 * 1024 ** 2 }

/** Reads the record of a build; undefined where there is none, or none that can be shown yet. */
export async function readRecord(home: string, build: BuildId): Promise<ShownRecord | undefined> {
  const directory = join(home, 'builds', build.pipeline, String(build.number))
  const request = requestOf(await readJson(join(directory, 'request.json'), most.request))
  if (request === undefined) return undefined
  const plan = (await readJson(join(directory, 'plan.json'), most.plan)) as Plan | undefined
  const result = await readJson(join(directory, 'result.json'), most.result)
  if (isResult(result)) return { build, directory, request, plan, result, directories: result.runs.map(({ name }) => directoryName(name)) }
  const soFar = await readSoFar(directory, { build, request, plan })
  return soFar && { build, directory, request, plan, ...soFar }
}

function requestOf(json: unknown): Request | undefined {
  try {
    return parseRequest(json)
  } catch (error) {
    if (error instanceof RequestError) return undefined
    throw error
  }
}

/** Undefined where the record was removed meanwhile. */
async function readSoFar(directory: string, { build, request, plan }: Pick<ShownRecord, 'build' | 'request' | 'plan'>): Promise<Pick<ShownRecord, 'result' | 'directories'> | undefined> {
  const status = (readIfThere(join(directory, 'status'))?.trim() ?? 'QUEUED') as Status
  const started = orMissing(() => statSync(directory))?.birthtime.toISOString()
  if (started === undefined) return undefined
  const { runs, directories } = await readRunsSoFar(directory, plan, status)
  const { repository, full_name, ref, commit_id } = request
  return { directories, result: { ...build, verdict: status.toLowerCase() as Stage, attempt: 1, entry: '', repository, ...(full_name !== undefined && { full_name }), ref, commit_id, started, runs } }
}
