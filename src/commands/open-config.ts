import * as v from 'valibot'
import { buildEnvironment } from '../build/settings.ts'
import { homeDirectory } from '../config/home.ts'
import { loadConfig, type Config } from '../config/load-config.ts'
import { executorEnvironment } from '../executor/choose.ts'
import { gitEnvironment } from '../git/clone-token.ts'
import { pagesEnvironment } from '../pages/settings.ts'
import { patchworkSchema } from '../patchwork/settings.ts'
import { cloneEnvironment } from '../plan/clone-url.ts'
import { planGrants } from '../plan/grants.ts'
import { planEnvironment } from '../plan/settings.ts'
import { mailEnvironment } from '../publish/settings.ts'
import { retentionSchema } from '../record/retention.ts'
import { grantsSchema } from '../secrets/granted-secrets.ts'
import { secretsEnvironment } from '../secrets/settings.ts'
import { hooksSchema, webhookEnvironment } from '../webhook/settings.ts'

/** Everything that can be set, from the rooms that use it. */
export const configSchema = {
  /** Names in environment.sh. */
  settings: {
    ...webhookEnvironment,
    ...pagesEnvironment,
    ...buildEnvironment,
    ...cloneEnvironment,
    ...gitEnvironment,
    ...secretsEnvironment,
    ...planEnvironment,
    ...executorEnvironment,
    ...mailEnvironment,
  },
  /** Top keys of quern.yaml. */
  structure: {
    hooks: hooksSchema,
    retention: retentionSchema,
    patchwork: patchworkSchema,
    grants: v.optional(v.strictObject({ ...planGrants, secrets: v.optional(grantsSchema, {}) }), {}),
  },
}

export type QuernConfig = Config<typeof configSchema.settings, typeof configSchema.structure>

/** Reads and checks the configuration of this home. @throws {ConfigError} */
export function openConfig(): Promise<QuernConfig> {
  return loadConfig(homeDirectory(), configSchema)
}
