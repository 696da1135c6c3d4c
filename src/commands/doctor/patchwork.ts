import { PatchworkError } from '../../patchwork/http.ts'
import type { QuernConfig } from '../open-config.ts'
import { openSources, type OpenSource } from '../open-patchwork.ts'
import { ok, warning, wrong, type Check } from './check.ts'

/** Milliseconds for a request; each is made once. */
const patience = 5000

/** Whether each Patchwork project can be polled, and told of results. Nothing is posted. */
export function checkPatchwork(config: QuernConfig): Promise<Check[]> {
  return Promise.all(openSources(config, { timeout: patience, tries: 1 }).map((open) => checkSource(open, config)))
}

async function checkSource({ source, client }: OpenSource, { environment }: QuernConfig): Promise<Check> {
  const { project, url, rehearse, token_env: name } = source
  if (!rehearse && name !== undefined && !environment[name]) return wrong('patchwork', `the token of ${project} is to be in ${name}, which is not set`, `export ${name}="…" in environment.sh, or set rehearse: true in quern.yaml`)
  try {
    if (!(await client.hasProject())) return wrong('patchwork', `${url} knows no project ${project}`, 'set project in quern.yaml to its link name, as in /project/<name>/list/')
    if (name !== undefined && environment[name]) await client.checkToken()
  } catch (error) {
    if (!(error instanceof PatchworkError)) throw error
    if (error.status === 403) return wrong('patchwork', `${url} refuses the token in ${name}: ${error.detail}`, 'make a new one in the user settings of that server, of a user who is a maintainer of the project')
    if (error.status === 404) return wrong('patchwork', `${project}: ${error.message}`, 'set url in quern.yaml to the address of the server, with the path that Patchwork has there; or have the server upgraded')
    return warning('patchwork', `${project}: ${error.message}`, 'nothing is lost while the server is away: polls begin where the last one ended, and checks wait in the outbox')
  }
  if (rehearse) return ok('patchwork', `${project} at ${url}, in rehearsal: nothing is posted`)
  return ok('patchwork', `${project} at ${url}, ${name === undefined ? 'without a token: nothing is posted' : 'its token is accepted'}`)
}
