import { buildName, type BuildId } from './build.ts'
import { directoryName } from './names.ts'

/** The path of a build's page below the server's public address, or of the page of the run with that directory in its record. */
export function pagePath(build: BuildId, directory?: string): string {
  const parts = ['builds', ...buildName(build).split('/'), ...(directory === undefined ? [] : [directory])]
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('')
}

/** The address of a build's page, or of one of its runs by the run's name; undefined where this server has no public address. */
export function pageAddress(publicUrl: string | undefined, build: BuildId, run?: string): string | undefined {
  return publicUrl === undefined ? undefined : publicUrl + pagePath(build, run === undefined ? undefined : directoryName(run))
}
