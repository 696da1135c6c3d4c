import type { QuernConfig } from '../open-config.ts'
import { ok, wrong, type Check } from './check.ts'

/** Whether each Patchwork project that is to be told of results has its token. The servers are not asked. */
export function checkPatchwork({ structure, environment }: QuernConfig): Check[] {
  if (structure.patchwork.length === 0) return []
  const missing = structure.patchwork.filter(({ rehearse, token_env: name }) => !rehearse && name !== undefined && !environment[name])
  if (missing.length === 0) return [ok('patchwork', structure.patchwork.map(({ project }) => project).join(', '))]
  return missing.map(({ project, token_env: name }) => wrong('patchwork', `the token of ${project} is to be in ${name}, which is not set`, `export ${name}="…" in environment.sh, or set rehearse: true in quern.yaml`))
}
