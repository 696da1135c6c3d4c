import * as v from 'valibot'

/** The name of an environment, or a developer: `secrets/<name>.enc`. */
export const environmentName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'expected the name of an environment, of letters, digits, "-" and "_"'))

/** This room's setting in environment.sh. */
export const secretsEnvironment = {
  /** Which of the files secrets/<name>.enc this server uses. */
  SECRETS_ENV: v.optional(environmentName, 'ci'),
}
