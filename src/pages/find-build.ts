import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseBuildName, type BuildId } from '../model/build.ts'

/** The build of which an address speaks. The pipeline's name is taken only where builds/ lists it, so that no path can lead elsewhere. */
export async function findBuild(home: string, { pipeline, number }: { pipeline: string; number: string }): Promise<BuildId | undefined> {
  const build = parseBuildName(`${pipeline}/${number}`)
  if (build === undefined || build.pipeline.startsWith('.')) return undefined
  const listed = await readdir(join(home, 'builds')).catch((): string[] => [])
  return listed.includes(build.pipeline) ? build : undefined
}
