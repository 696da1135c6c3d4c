/** Secrets cannot be read or used as they are. The message says where, why and the remedy, never a value. */
export class SecretsError extends Error {
  override name = 'SecretsError'
}
