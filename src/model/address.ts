import { buildName, type BuildId } from './build.ts'
import { directoryName } from './names.ts'

/** The path of a build's page below the server's public address, or of the page of one of its runs. */
function pagePath(build: BuildId, run?: string): string {
  const parts = ['builds', ...buildName(build).split('/'), ...(run === undefined ? [] : [directoryName(run)])]
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('')
}

/** The address of that page; undefined where this server has no public address. */
export function pageAddress(publicUrl: string | undefined, build: BuildId, run?: string): string | undefined {
  return publicUrl === undefined ? undefined : publicUrl + pagePath(build, run)
}
