import type { AddressInfo, Socket } from 'node:net'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { onTestFinished } from 'vitest'

/** A mail as an SMTP server took it. */
interface TakenMail {
  from: string
  to: string[]
  /** The message as it came over the line. */
  raw: string
  email: Email
  /** Body text with the line ends of a file. */
  text: string
}

export interface SmtpListener {
  /** `smtp://127.0.0.1:<port>` */
  url: string
  port: number
  taken: TakenMail[]
  /** Every connection ever made. */
  connections: () => number
  /** Ends the listener before the test does. */
  close: () => Promise<void>
}

/** A server that answers as told: by default it accepts all mail. The number is the SMTP code it gives at that step. */
export interface SmtpBehaviour {
  recipient?: (address: string) => number | undefined
  data?: (mail: TakenMail) => number | undefined
  /** Takes connections and says nothing. */
  hangs?: boolean
  /** Offers STARTTLS, with this key and certificate. */
  tls?: { key: string; cert: string }
  /** Asks for these credentials. */
  login?: { user: string; password: string }
  port?: number
}

/** A real SMTP server on the loopback, ended with the test. */
export async function smtpListener(behaviour: SmtpBehaviour = {}): Promise<SmtpListener> {
  const taken: TakenMail[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const server = new SMTPServer(serverOptions(behaviour, taken))
  server.on('error', () => undefined)
  server.server.prependListener('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => {
    server.listen(behaviour.port ?? 0, '127.0.0.1', resolve)
  })
  const { port } = server.server.address() as AddressInfo
  onTestFinished(close)
  return { url: `smtp://127.0.0.1:${port}`, port, taken, connections: () => connections, close }

  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy()
    if (!server.server.listening) return
    await new Promise<void>((resolve) => {
      server.close(resolve)
    })
  }
}

function serverOptions({ recipient, data, hangs, tls, login }: SmtpBehaviour, taken: TakenMail[]): SMTPServerOptions {
  return {
    logger: false,
    disableReverseLookup: true,
    hideSTARTTLS: tls === undefined,
    authOptional: login === undefined,
    closeTimeout: 100,
    ...tls,
    disabledCommands: login === undefined ? ['AUTH'] : [],
    onConnect: (_session, done) => {
      if (!hangs) done()
    },
    onAuth: (auth, _session, done) => {
      if (auth.username === login?.user && auth.password === login?.password) done(null, { user: auth.username })
      // A server that is careless with what it was told.
      else done(Object.assign(new Error(`no login for ${auth.username} with ${auth.password}`), { responseCode: 535 }))
    },
    onRcptTo: ({ address }, _session, done) => done(refusal(recipient?.(address))),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', async () => {
        const raw = Buffer.concat(chunks)
        const email = await PostalMime.parse(raw)
        const { mailFrom, rcptTo } = session.envelope
        const mail = { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address), raw: raw.toString('latin1'), email, text: (email.text ?? '').replaceAll('\r\n', '\n') }
        const code = data?.(mail)
        if (code === undefined) taken.push(mail)
        done(refusal(code))
      })
    },
  }
}

function refusal(code: number | undefined): Error | null {
  return code === undefined ? null : Object.assign(new Error(code < 500 ? 'try again later' : 'no, never'), { responseCode: code })
}
