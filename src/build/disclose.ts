import { cloneToken } from '../git/clone-token.ts'
import type { Plan, PlannedRun } from '../model/plan.ts'
import { isTrusted, type Request } from '../model/request.ts'
import { cloneUrlOf } from '../plan/clone-url.ts'
import type { SettlerSettings } from './settle.ts'
import type { Disclosed } from './workshop.ts'

/**
 * Says what each run of a plan gets to know: the granted secrets that it names and, where it clones by itself, the token
 * for that. Untrusted requests learn nothing (law 4).
 */
export function openDisclosure(settings: SettlerSettings, request: Request, plan: Plan): (run: PlannedRun) => Promise<Disclosed> {
  return async (run) => {
    const token = await tokenFor(run, request, settings)
    if (run.secrets.length === 0) return { env: token, hidden: hiddenIn(token), withheld: [] }
    const { grantedSecrets } = await import('../secrets/granted-secrets.ts')
    const { values, withheld } = await grantedSecrets({ request, pipeline: plan.pipeline, names: run.secrets, secrets: await settings.secrets(), grants: settings.secretGrants })
    return { env: { ...token, ...values }, hidden: [...hiddenIn(token), ...Object.values(values)], withheld }
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
