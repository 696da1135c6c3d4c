import type { Context } from 'hono'
import type { Delivery } from './github.ts'
import type { Hook } from './hook.ts'
import { Refusal } from './refusal.ts'

/** How the JSON of a delivery stands in the body: by itself, or as the field `payload` of a form. */
export type BodyForm = 'json' | 'urlencoded'

/** @throws {Refusal} where it says neither */
export function formOf(c: Context): BodyForm {
  const type = (c.req.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return 'urlencoded'
  if (type === 'application/json') return 'json'
  throw new Refusal(415, 'expected the content type application/json or application/x-www-form-urlencoded')
}

/** Whoever cannot sign does not get the body read. @throws {Refusal} where there is no signature */
export function signatureOf(c: Context): string {
  const signature = c.req.header('x-hub-signature-256')
  // Gitea and Forgejo send it without a secret, too, with nothing behind the sign.
  if (signature === undefined || signature === 'sha256=') throw new Refusal(401, 'expected a signature in the header X-Hub-Signature-256; set a secret in the settings of the webhook')
  if (!/^sha256=[0-9a-f]{64}$/.test(signature)) throw new Refusal(401, 'expected X-Hub-Signature-256 to be "sha256=" and 64 hexadecimal digits')
  return signature
}

/** @throws {Refusal} where it does not say its event and id */
export function deliveryOf(c: Context, hook: Hook): Delivery {
  const isGitea = c.req.header('x-gitea-event') !== undefined || c.req.header('x-forgejo-event') !== undefined
  return {
    event: headerOf(c, 'X-GitHub-Event'),
    id: headerOf(c, 'X-GitHub-Delivery'),
    hook: hook.id,
    source: isGitea ? 'gitea' : 'github',
    pipeline: hook.pipeline,
  }
}

function headerOf(c: Context, name: string): string {
  const value = c.req.header(name)
  if (value === undefined) throw new Refusal(400, `expected the header ${name}`)
  if (!/^[\x21-\x7e]{1,200}$/.test(value)) throw new Refusal(400, `expected ${name} to be at most 200 visible ASCII characters`)
  return value
}
