import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { styleSource } from './style.ts'

export type Env = { Bindings: HttpBindings }

/** Milliseconds after which a reader that takes nothing more is cut off. */
const patience = 30_000

const headers = {
  'Content-Security-Policy': `default-src 'none'; style-src ${styleSource}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Robots-Tag': 'noindex, nofollow',
  'Cache-Control': 'no-cache',
}

/** What holds for every answer: it only reads, it may load nothing, nobody may frame it, and nobody is told from where a reader came. */
export async function guard(c: Context<Env>, next: () => Promise<void>): Promise<Response | void> {
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return c.text('expected GET or HEAD\n', 405, { Allow: 'GET, HEAD' })
  const { incoming, outgoing } = c.env
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = incoming.headers
  if (encoding !== undefined || length !== '0') return c.text('expected no body\n', 400)
  outgoing.setTimeout(patience, () => void outgoing.destroy())
  await next()
}
