import { buildEnvironment } from '../build/settings.ts'
import { homeDirectory } from '../config/home.ts'
import { loadConfig, type Config } from '../config/load-config.ts'

/** Everything that can be set, from the rooms that use it. */
export const configSchema = {
  /** Names in environment.sh. */
  settings: {
    ...buildEnvironment,
  },
  /** Top keys of quern.yaml. */
  structure: {},
}

export type QuernConfig = Config<typeof configSchema.settings, typeof configSchema.structure>

/** Reads and checks the configuration of this home. @throws {ConfigError} */
export function openConfig(): Promise<QuernConfig> {
  return loadConfig(homeDirectory(), configSchema)
}
