import * as v from 'valibot'
import { isTrusted, type Request } from '../model/request.ts'
import type { Secrets } from './read-secrets.ts'
import { shortestSecret } from './secret-forms.ts'
import { SecretsError } from './secrets-error.ts'

const pattern = v.pipe(v.string(), v.minLength(1, 'expected a name or a glob'), v.maxLength(1000))
const patterns = v.union([v.pipe(pattern, v.transform((one) => [one])), v.pipe(v.array(pattern), v.minLength(1, 'expected at least one'))], 'expected a name, a glob, or a list of them')

const grantSchema = v.union(
  [v.pipe(pattern, v.transform((repository) => ({ repositories: [repository], refs: ['**'] }))), v.strictObject({ repositories: patterns, refs: v.optional(patterns, '**') })],
  'expected a repository, or a map of "repositories" and "refs"',
)

/**
 * `grants.secrets` of quern.yaml: for each secret, the repositories (`owner/name`, exact or a glob) and the refs (a branch, or a
 * full ref; exact or a glob) whose own pipelines may have it.
 */
export const grantsSchema = v.record(v.string(), v.array(grantSchema))
export type Grants = v.InferOutput<typeof grantsSchema>

export interface GrantQuestion {
  request: Request
  /** The plan's pipeline: `chunks`, `job:<name>` or `file:<path>`. */
  pipeline: string
  /** Names of the secrets that the run asks for. */
  names: string[]
  secrets: Secrets
  grants: Grants
  /** What the repository itself brings along, by `readRepositorySecrets`: for its own pipelines, without a grant. */
  own?: Secrets | undefined
}

export interface Granted {
  /** For the run's environment, and for its mask. */
  values: Record<string, string>
  /** What it asked for and does not get, a sentence each, for the record. */
  withheld: string[]
}

/**
 * The secrets that a run gets: of those that it names, those that are granted to its repository and ref; this server's
 * own job definitions get any that they name, and a repository's own pipeline those that it brings along. An untrusted request gets none (law 4).
 * @throws {SecretsError} naming a granted secret that is too short to be masked
 */
export async function grantedSecrets(question: GrantQuestion): Promise<Granted> {
  const granted: Granted = { values: {}, withheld: [] }
  for (const name of new Set(question.names)) {
    const own = question.pipeline.startsWith('job:') ? undefined : question.own?.get(name)
    const value = own ?? question.secrets.get(name)
    const reason = await refusal(name, { ...question, value, own: own !== undefined })
    if (reason !== undefined) granted.withheld.push(`The secret ${name} is withheld: ${reason}.`)
    else granted.values[name] = longEnough(name, value!)
  }
  return granted
}

async function refusal(name: string, { request, pipeline, grants, value, own }: Omit<GrantQuestion, 'own'> & { value: string | undefined; own: boolean }): Promise<string | undefined> {
  if (!isTrusted(request)) return 'untrusted requests get none'
  if (value === undefined) return 'this server has no secret of that name'
  if (own || pipeline.startsWith('job:')) return undefined
  const repository = request.full_name ?? request.repository
  for (const grant of grants[name] ?? []) {
    if ((await fits(repository, grant.repositories)) && (await fitsRef(request.ref, grant.refs))) return undefined
  }
  return `quern.yaml does not grant it to ${repository} at ${request.ref} (grants: secrets: ${name}: [${repository}])`
}

/** A pattern that does not begin with `refs/` means a branch. */
function fitsRef(ref: string, wanted: string[]): Promise<boolean> {
  return fits(ref, wanted.map((one) => (one === '**' || one.startsWith('refs/') ? one : `refs/heads/${one}`)))
}

async function fits(name: string, wanted: string[]): Promise<boolean> {
  if (wanted.includes(name)) return true
  const { default: picomatch } = await import('picomatch')
  return picomatch.isMatch(name, wanted, { dot: true })
}

function longEnough(name: string, value: string): string {
  if (value.length >= shortestSecret) return value
  throw new SecretsError(`the secret ${name} has ${value.length} character${value.length === 1 ? '' : 's'}: one shorter than ${shortestSecret} cannot be masked in logs; choose a longer value, or make it a setting instead of a secret`)
}
