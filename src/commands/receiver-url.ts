import { reachableHost } from '../webhook/start-receiver.ts'
import type { QuernConfig } from './open-config.ts'

/** Where this machine reaches the receiver of this home, without a path. */
export function receiverUrl({ HOST, PORT, TLS_KEY }: QuernConfig['settings']): string {
  return `${TLS_KEY === undefined ? 'http' : 'https'}://${reachableHost(HOST)}:${PORT}`
}
