import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, Next } from 'hono'

/** Milliseconds in which the sender can read the answer before the connection is cut. */
const patience = 1000

/**
 * Answers a request whose body was left unread, and reads no further. Ended at once, the connection would be reset under
 * the sender's hands, which then would not see the answer; so it is cut a moment later, while no byte is read.
 */
export async function hangUpOnUnread(c: Context<{ Bindings: HttpBindings }>, next: Next): Promise<void> {
  await next()
  const { incoming, outgoing } = c.env
  if (incoming.complete || outgoing.destroyed || !announcesBody(incoming.headers)) return
  const body = Buffer.from(await c.res.arrayBuffer())
  outgoing.writeHead(c.res.status, { ...Object.fromEntries(c.res.headers), 'content-length': body.length, connection: 'close' })
  outgoing.write(body)
  setTimeout(() => outgoing.destroy(), patience)
  // Hono adds the headers of a response that is there to the next one, which would no longer say that it was sent.
  c.res = undefined
  c.res = RESPONSE_ALREADY_SENT
}

function announcesBody(headers: HttpBindings['incoming']['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
