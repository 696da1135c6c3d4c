import * as v from 'valibot'
import { flag, wholeNumber } from '../model/setting.ts'
import type { Hook } from './hook.ts'

const text = v.pipe(v.string(), v.minLength(1, 'expected a value'))

/** `/webhook`, with one slash in front and none at the end; empty where hooks are at the top. Clients resolve `.` and `..` before they ask. */
const prefix = v.pipe(
  v.string(),
  v.regex(/^(?:\/|(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.~-]+(?:\/|$))*$/, 'expected a path like /webhook, without . and .. as a part'),
  v.transform((path) => path.split('/').filter((part) => part !== '').map((part) => `/${part}`).join('')),
)

/** What environment.sh may say about the receiver. */
export const webhookEnvironment = {
  /** Address to listen on. */
  HOST: v.optional(text, '0.0.0.0'),
  PORT: v.optional(wholeNumber({ min: 1, max: 65_535 }), '8196'),
  URL_PREFIX: v.optional(prefix, '/webhook'),
  /** PEM files: the receiver speaks HTTPS where both are set. */
  TLS_KEY: v.optional(text),
  TLS_CERT: v.optional(text),
  /** The secret of the hook `amp_main`. */
  SECRET: v.optional(text),
  /** Whether the receiver starts the builder as soon as an entry is durable. */
  BUILD_ON_PUSH: v.optional(flag, '1'),
}

const hookSchema = v.pipe(
  v.strictObject({
    id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,100}$/, 'expected an id of letters, digits, "-" and "_"')),
    secret: v.optional(text),
    /** Name of the variable in environment.sh that holds the secret, so that quern.yaml can be shown to others. */
    secret_env: v.optional(text),
    repositories: v.optional(v.array(text)),
    refs: v.optional(v.array(text)),
    pipeline: v.optional(v.pipe(v.string(), v.regex(/^(?:chunks|job:.+|file:.+)$/, 'expected chunks, job:<name> or file:<path>'))),
  }),
  v.check((hook) => (hook.secret === undefined) !== (hook.secret_env === undefined), 'expected either "secret" or "secret_env"'),
)

/** The key `hooks` of quern.yaml. */
export const hooksSchema = v.optional(
  v.pipe(
    v.array(hookSchema),
    v.check((hooks) => new Set(hooks.map((hook) => hook.id)).size === hooks.length, 'expected each id once'),
  ),
  [],
)
export type HookSettings = v.InferOutput<typeof hooksSchema>

/**
 * The hooks with their secrets: those of quern.yaml, and `amp_main` with SECRET where quern.yaml does not define it.
 * @throws where a `secret_env` names a variable that is not set
 */
export function settleHooks(settings: HookSettings, environment: Record<string, string | undefined>): Hook[] {
  const hooks = settings.map(({ secret, secret_env: variable, ...hook }) => ({ ...hook, secret: secret ?? secretFrom(hook.id, variable!, environment) }))
  const named = hooks.some((hook) => hook.id === 'amp_main')
  return environment['SECRET'] && !named ? [...hooks, { id: 'amp_main', secret: environment['SECRET'] }] : hooks
}

function secretFrom(id: string, variable: string, environment: Record<string, string | undefined>): string {
  const secret = environment[variable]
  if (secret) return secret
  throw new Error(`quern.yaml: hook ${id} takes its secret from ${variable}, which is not set; add to environment.sh: export ${variable}="..."`)
}
