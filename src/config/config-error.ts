/** The configuration is not as it must be. The message is for the person who wrote it: place, what was expected, remedy. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}
