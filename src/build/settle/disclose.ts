import { cloneToken } from '../../git/clone-token.ts'
import type { Mirror } from '../../git/mirror.ts'
import { repositoryDirectory } from '../../model/names.ts'
import type { Plan, PlannedRun } from '../../model/plan.ts'
import { isTrusted, type Request } from '../../model/request.ts'
import { cloneUrlOf } from '../../plan/clone-url.ts'
import type { Granted } from '../../secrets/granted-secrets.ts'
import type { Secrets } from '../../secrets/read-secrets.ts'
import type { SettlerSettings } from './settle.ts'
import type { Disclosed } from '../workshop.ts'

/** What a build is about. */
interface Subject {
  request: Request
  plan: Plan
  /** Absent where no git was run for it. */
  mirror: Mirror | undefined
}

/**
 * Says what each run of a plan gets to know: the secrets that it names and may have and, where it clones by itself, the
 * token for that. Untrusted requests learn nothing (law 4). Hidden is what any run of the build knows: through a tree or
 * $QUERN_SHARED one comes upon what another left.
 */
export function openDisclosure(settings: SettlerSettings, subject: Subject): (run: PlannedRun) => Promise<Disclosed> {
  const { plan } = subject
  const granted = openGrants(settings, subject)
  let ofBuild: Promise<string[]> | undefined
  return async (run) => {
    const token = await tokenFor(run, subject.request, settings)
    const { values, withheld } = run.secrets.length === 0 ? { values: {}, withheld: [] } : await granted(run.secrets)
    ofBuild ??= hiddenInBuild(plan.runs, granted)
    return { env: { ...token, ...values }, hidden: [...new Set([...hiddenIn(token), ...Object.values(values), ...(await ofBuild)])], withheld }
  }
}

/** Every secret that the plan's runs get. One that cannot be had is the matter of the run that asks for it. */
async function hiddenInBuild(runs: PlannedRun[], granted: (names: string[]) => Promise<Granted>): Promise<string[]> {
  const names = [...new Set(runs.flatMap(({ secrets }) => secrets))]
  const all = await Promise.allSettled(names.map((name) => granted([name])))
  return all.flatMap((one) => (one.status === 'fulfilled' ? Object.values(one.value.values) : []))
}

/** Finds out which secrets are granted, for names. What there is is read once a build. */
function openGrants(settings: SettlerSettings, subject: Subject): (names: string[]) => Promise<Granted> {
  const { request, plan } = subject
  let server: Promise<Secrets> | undefined
  let brought: Promise<Secrets | undefined> | undefined
  return async (names) => {
    const [{ grantedSecrets }, { readServerSecrets }] = await Promise.all([import('../../secrets/granted-secrets.ts'), import('../../secrets/environment-files.ts')])
    const secrets = await (server ??= readServerSecrets({ home: settings.home, env: settings.secretsEnv }))
    const spare = names.every((name) => secrets.has(name))
    const own = await (brought ??= ownSecrets(settings, subject)).catch((error: unknown) => unlessSpare(error, spare))
    return grantedSecrets({ request, pipeline: plan.pipeline, names, secrets, grants: settings.secretGrants, own })
  }
}

/** That what the repository brings along cannot be read matters only where the run needs it. */
async function unlessSpare(error: unknown, spare: boolean): Promise<undefined> {
  const { SecretsError } = await import('../../secrets/secrets-error.ts')
  if (!spare || !(error instanceof SecretsError)) throw error
}

/** What the repository brings along at this commit. */
async function ownSecrets({ home, secretsEnv: env }: SettlerSettings, { request, plan, mirror }: Subject): Promise<Secrets | undefined> {
  if (mirror === undefined || plan.pipeline.startsWith('job:') || !isTrusted(request)) return undefined
  const text = await mirror.readFile(request.commit_id, `secrets/${env}.enc`)
  if (text === undefined) return undefined
  const { readRepositorySecrets } = await import('../../secrets/environment-files.ts')
  return readRepositorySecrets({ home, repository: repositoryDirectory(request), env, text })
}

/** Script chunks check out by themselves, so they get what private repositories ask for. */
async function tokenFor(run: PlannedRun, request: Request, { token, plan, cache }: SettlerSettings): Promise<Record<string, string>> {
  if (run.executor !== 'shell' || run.workspace !== 'none' || token.token === undefined || !isTrusted(request)) return {}
  const url = cloneUrlOf(request, plan.clone)
  const granted = cloneToken(url, token)
  if (granted === undefined) return {}
  const { cloneCredentials } = await import('../../git/askpass.ts')
  return cloneCredentials(url, granted, cache)
}

function hiddenIn(token: Record<string, string>): string[] {
  return token['QUERN_GIT_TOKEN'] === undefined ? [] : [token['QUERN_GIT_TOKEN']]
}
