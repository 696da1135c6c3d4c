import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/**
 * The address that a request came from, for the log. Where a proxy on this machine handed it on: the last one of
 * X-Forwarded-For, which that proxy has added; those before it are what strangers say.
 */
export function senderOf({ socket: { remoteAddress }, headers }: Pick<IncomingMessage, 'headers'> & { socket: { remoteAddress?: string | undefined } }): string | undefined {
  const forwarded = [headers['x-forwarded-for']].flat().join().split(',').at(-1)!.trim()
  return isThisMachine(remoteAddress) && isIP(forwarded) !== 0 ? forwarded : remoteAddress
}

function isThisMachine(address = ''): boolean {
  return /^(?:::ffff:)?127\.|^::1$/.test(address)
}
