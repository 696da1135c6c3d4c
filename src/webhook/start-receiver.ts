import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import type { Hono } from 'hono'

export interface ReceiverAddress {
  host: string
  /** 0 takes any free one. */
  port: number
  /** Paths of PEM files. */
  tls?: { key: string; cert: string } | undefined
}

export interface Receiver {
  /** Where it listens, without a path. */
  url: string
  /** Accepts nothing more, finishes the requests in flight and resolves; cuts what is still open after `patience` milliseconds. */
  stop(patience?: number): Promise<void>
}

/** Milliseconds for the headers, and for a whole request: a sender that trickles does not keep a connection. */
const timeouts = { headersTimeout: 10_000, requestTimeout: 20_000, connectionsCheckingInterval: 2_000 }

/** Listens with the app until stopped. @throws where the address is taken or a PEM file cannot be read */
export async function startReceiver(app: Hono<{ Bindings: HttpBindings }>, { host, port, tls }: ReceiverAddress): Promise<Receiver> {
  const listener = getRequestListener(app.fetch, { hostname: host, autoCleanupIncoming: false, errorHandler: badRequest })
  const server = tls ? createSecureServer({ ...timeouts, handshakeTimeout: timeouts.headersTimeout, ...readPair(tls) }, listener) : createServer(timeouts, listener)
  const sockets = openSockets(server)
  await listen(server, host, port)
  const address = server.address() as AddressInfo
  return { url: `${tls ? 'https' : 'http'}://${reachableHost(address.address)}:${address.port}`, stop: (patience = 5000) => stop(server, sockets, patience) }
}

/** All that are open. The server's own list has none that has not ended the handshake of TLS. */
function openSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.once('close', () => sockets.delete(socket))))
  return sockets
}

/** @throws where they are no private key and the certificate that was made for it; OpenSSL says no more than "no start line" */
function readPair({ key, cert }: NonNullable<ReceiverAddress['tls']>): { key: Buffer; cert: Buffer } {
  const pair = { key: readPem('TLS_KEY', key), cert: readPem('TLS_CERT', cert) }
  try {
    createSecureContext(pair)
    return pair
  } catch (error) {
    throw new Error(`TLS_KEY (${key}) and TLS_CERT (${cert}): ${(error as Error).message}; expected PEM files: a private key without a passphrase, and the certificate for it`, { cause: error })
  }
}

function readPem(setting: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new Error(`${setting}: ${(error as Error).message}; expected a PEM file that the user of the receiver can read`, { cause: error })
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(`listening on ${host} port ${port}: ${remedy(error)}`, { cause: error })))
    server.listen(port, host, resolve)
  })
}

function remedy(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'something listens there already; stop it, or set PORT in environment.sh'
  if (error.code === 'EACCES') return 'not permitted; ports below 1024 are for root, set PORT in environment.sh'
  return error.message
}

/** The host for a URL by which this machine reaches what listens on the address: on all interfaces, the loopback one. */
export function reachableHost(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}

/** A connection whose request is answered now would wait for another one. */
const sweepEvery = 50

function stop(server: Server, sockets: Set<Socket>, patience: number): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => server.closeIdleConnections(), sweepEvery)
    const cut = setTimeout(() => sockets.forEach((socket) => socket.destroy()), patience)
    server.close(() => {
      clearInterval(sweep)
      clearTimeout(cut)
      resolve()
    })
  })
}

/** A request that no URL can be made of: a Host header or a path that is none. */
function badRequest(): Response {
  return Response.json({ result: 'refused', reason: 'the request has no valid path or Host header' }, { status: 400 })
}
