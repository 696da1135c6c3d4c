/** The person asked for something that is not there or cannot be. Told on stderr without a stack; exit code 2. */
export class UserError extends Error {
  override name = 'UserError'
}
