import { readServerSecrets } from '../../secrets/environment-files.ts'
import { SecretsError } from '../../secrets/secrets-error.ts'
import type { QuernConfig } from '../open-config.ts'
import { counted, ok, wrong, type Check } from './check.ts'

/** Whether this server's secrets can be read as a build reads them. Values and names stay untold. */
export async function checkServerSecrets({ home, settings }: QuernConfig): Promise<Check> {
  try {
    const secrets = await readServerSecrets({ home, env: settings.SECRETS_ENV })
    return ok('secrets', secrets.size === 0 ? 'none are kept for jobs' : `${counted(secrets.size, 'secret is', 'secrets are')} kept for jobs`)
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    return wrong('secrets', error.message, 'mend the file as it says; docs/secrets.md tells more')
  }
}
