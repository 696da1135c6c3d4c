import { cloneToken } from '../git/clone-token.ts'
import type { Mirror } from '../git/mirror.ts'
import { repositoryDirectory } from '../model/names.ts'
import type { Plan, PlannedRun } from '../model/plan.ts'
import { isTrusted, type Request } from '../model/request.ts'
import { cloneUrlOf } from '../plan/clone-url.ts'
import type { Secrets } from '../secrets/read-secrets.ts'
import type { SettlerSettings } from './settle.ts'
import type { Disclosed } from './workshop.ts'

/** What a build is about. */
interface Subject {
  request: Request
  plan: Plan
  /** Absent where no git was run for it. */
  mirror: Mirror | undefined
}

/**
 * Says what each run of a plan gets to know: the secrets that it names and may have and, where it clones by itself, the
 * token for that. Untrusted requests learn nothing (law 4).
 */
export function openDisclosure(settings: SettlerSettings, subject: Subject): (run: PlannedRun) => Promise<Disclosed> {
  const { request, plan } = subject
  return async (run) => {
    const token = await tokenFor(run, request, settings)
    if (run.secrets.length === 0) return { env: token, hidden: hiddenIn(token), withheld: [] }
    const [{ grantedSecrets }, { readServerSecrets }] = await Promise.all([import('../secrets/granted-secrets.ts'), import('../secrets/environment-files.ts')])
    const secrets = await readServerSecrets({ home: settings.home, env: settings.secretsEnv })
    const own = await ownSecrets(settings, subject, run.secrets.every((name) => secrets.has(name)))
    const { values, withheld } = await grantedSecrets({ request, pipeline: plan.pipeline, names: run.secrets, secrets, grants: settings.secretGrants, own })
    return { env: { ...token, ...values }, hidden: [...hiddenIn(token), ...Object.values(values)], withheld }
  }
}

/** What the repository brings along at this commit. That it cannot be read matters only where the run needs it. */
async function ownSecrets({ home, secretsEnv: env }: SettlerSettings, { request, plan, mirror }: Subject, spare: boolean): Promise<Secrets | undefined> {
  if (mirror === undefined || plan.pipeline.startsWith('job:') || !isTrusted(request)) return undefined
  const text = await mirror.readFile(request.commit_id, `secrets/${env}.enc`)
  if (text === undefined) return undefined
  const [{ readRepositorySecrets }, { SecretsError }] = await Promise.all([import('../secrets/environment-files.ts'), import('../secrets/secrets-error.ts')])
  try {
    return await readRepositorySecrets({ home, repository: repositoryDirectory(request), env, text })
  } catch (error) {
    if (spare && error instanceof SecretsError) return undefined
    throw error
  }
}

/** Script chunks check out by themselves, so they get what private repositories ask for. */
async function tokenFor(run: PlannedRun, request: Request, { token, plan, cache }: SettlerSettings): Promise<Record<string, string>> {
  if (run.executor !== 'shell' || run.workspace !== 'none' || token.token === undefined || !isTrusted(request)) return {}
  const url = cloneUrlOf(request, plan.clone)
  const granted = cloneToken(url, token)
  if (granted === undefined) return {}
  const { cloneCredentials } = await import('../git/askpass.ts')
  return cloneCredentials(url, granted, cache)
}

function hiddenIn(token: Record<string, string>): string[] {
  return token['QUERN_GIT_TOKEN'] === undefined ? [] : [token['QUERN_GIT_TOKEN']]
}
