import { SMTPServer } from 'smtp-server'

/** A real SMTP server on loopback that only remembers the Message-ID of what it accepted. */
export interface Mailbox {
  port: number
  messageIds: string[]
  close(): Promise<void>
}

export async function openMailbox(): Promise<Mailbox> {
  const messageIds: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        messageIds.push(/^Message-ID:\s*(\S+)/im.exec(Buffer.concat(chunks).toString())?.[1] ?? 'none')
        done()
      })
    },
  })
  // A sender that is killed breaks its connection, which is no fault of this server.
  server.on('error', () => undefined)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, messageIds, close: () => new Promise((done) => server.close(() => done())) }
}
