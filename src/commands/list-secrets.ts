import { openEnvironment, readServerSecrets, type EnvironmentFiles } from '../secrets/environment-files.ts'
import type { Grants } from '../secrets/granted-secrets.ts'
import { openConfig } from './open-config.ts'
import { printJson, printLine, printTable } from './terminal.ts'

/** The names of a repository's secrets, which its own pipelines get without a grant. */
export async function listOwn(files: EnvironmentFiles, json: boolean): Promise<void> {
  const { secrets } = await openEnvironment(files)
  const names = [...secrets.keys()]
  if (json) printJson(names.map((name) => ({ name })))
  else if (names.length === 0) printLine(`${files.file} holds no secret.`)
  else printTable(names.map((name) => [name]))
}

/** The names of this server's secrets and who is granted them, also of those that are granted but not there. */
export async function listOfServer(env: string, json: boolean): Promise<void> {
  const { home, structure } = await openConfig()
  const grants: Grants = structure.grants.secrets ?? {}
  const secrets = await readServerSecrets({ home, env })
  const names = [...new Set([...secrets.keys(), ...Object.keys(grants)])]
  const listed = names.map((name) => ({ name, there: secrets.has(name), grants: grants[name] ?? [] }))
  if (json) printJson(listed)
  else if (listed.length === 0) printLine(`${home} has no secrets.`)
  else printTable([['NAME', 'GRANTED TO'], ...listed.map(({ name, there, grants: given }) => [name, wordsOn(given) + (there ? '' : ' (but there is no secret of that name)')])])
}

/** Job definitions of this server get what they name, without a grant. */
function wordsOn(grants: Grants[string]): string {
  const words = grants.map(({ repositories, refs }) => `${repositories.join(', ')}${refs.join() === '**' ? '' : ` at ${refs.join(', ')}`}`)
  return words.join('; ') || 'job-defs alone'
}
