import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { writeAtomically } from '../disk/write.ts'
import { isMailbox, type Mail } from '../model/mail.ts'
import { readableLine } from '../model/readable.ts'
import type { Outcome, Publisher, Report } from './publisher.ts'
import { parseSender, type MailSender } from './settings.ts'

export interface MailServer {
  /** SMTP_URL */
  url: string
  from: MailSender
  /** The home's builds/ directory: attachments lie in the build that made the report. */
  builds: string
}

/** Milliseconds that one try may take in all, so that a server that trickles holds nobody up. */
const longestTry = 120_000

/** The report that carries this mail: one per build and receiver, however often it is written. */
export function emailReport(build: string, mail: Mail, created: string): Report<Mail> {
  return { id: `email-${createHash('sha256').update(mail.to.toLowerCase()).digest('hex').slice(0, 24)}`, publisher: 'email', build, created, payload: mail }
}

/** Sends mail over SMTP, each mail to one receiver and to whom it tells as well. */
export function openEmail({ url, from, builds }: MailServer): Publisher {
  return { publish }

  async function publish(report: Report): Promise<Outcome> {
    const mail = report.payload as Mail
    if (!isMail(mail)) return { kind: 'refused', reason: 'its receiver is no plain mail address, or it is no mail' }
    const build = join(builds, report.build)
    const note = join(build, 'sent', `${report.id}.taken`)
    const had = orMissing(() => readFileSync(note, 'utf8'))?.trimEnd().split('\n') ?? []
    try {
      const { accepted, rejected, rejectedErrors = [] } = await send(mail, build, had)
      const putOff = rejectedErrors.find(({ responseCode = 0 }) => responseCode < 500)
      if (putOff !== undefined && noteTaken(note, [...had, ...accepted])) return outcomeOf(putOff)
      return rejected.includes(asHandedOver(mail.to)) ? { kind: 'refused', reason: `the server did not take ${mail.to}` } : { kind: 'sent' }
    } catch (error) {
      const outcome = outcomeOf(error as SmtpError)
      // As where both are answered at once: whoever is told as well and refused silences only itself.
      return outcome.kind === 'refused' && had.includes(asHandedOver(mail.to)) ? { kind: 'sent' } : outcome
    }
  }

  async function send(mail: Mail, build: string, had: string[]): Promise<Taken> {
    const transport = await openTransport(url)
    let timer: NodeJS.Timeout | undefined
    try {
      const tooLong = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no end after ${longestTry / 1000} s`)), longestTry)
      })
      return await Promise.race([transport.sendMail(message(mail, build, had)), tooLong])
    } finally {
      clearTimeout(timer)
      transport.close()
    }
  }

  /** @param had who has it already */
  function message(mail: Mail, build: string, had: string[]): object {
    const sender = (mail.from === undefined ? undefined : parseSender(mail.from)) ?? from
    return {
      from: sender,
      to: { name: '', address: mail.to },
      ...(mail.cc !== undefined && { cc: { name: '', address: mail.cc } }),
      envelope: { from: sender.address, to: [mail.to, ...(mail.cc === undefined ? [] : [mail.cc])].map(asHandedOver).filter((address) => !had.includes(address)) },
      messageId: messageId(mail.message_id),
      ...(mail.in_reply_to !== undefined && { inReplyTo: messageId(mail.in_reply_to), references: (mail.references ?? []).map(messageId) }),
      subject: readableLine(mail.subject),
      text: mail.text,
      headers: { ...mail.headers, 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      attachments: (mail.attachments ?? []).flatMap(({ filename, path, content_type: contentType }) => {
        // A build that was pruned meanwhile: the mail still tells what broke.
        const content = orMissing(() => readFileSync(join(build, path)))
        return content === undefined ? [] : [{ filename, content, contentType }]
      }),
    }
  }

  /** What the server said of this mail decides; where we could not even speak with it (network, TLS, login), it is worth another try. */
  function outcomeOf(error: SmtpError): Outcome {
    const reason = withoutCredentials(readableLine(`${new URL(url).host}: ${error.message}`).slice(0, 500), url)
    const ofThisMail = /^(?:MAIL FROM|RCPT TO|DATA)/.test(error.command ?? '')
    return { kind: ofThisMail && (error.responseCode ?? 0) >= 500 ? 'refused' : 'later', reason }
  }
}

/** The address as nodemailer hands it to the server, and tells what became of it: the domain in small letters. */
function asHandedOver(address: string): string {
  const at = address.lastIndexOf('@')
  return address.slice(0, at) + address.slice(at).toLowerCase()
}

/** Keeps who has a mail, for the next try, which is for the others; false where that cannot be kept, and there is to be none. */
function noteTaken(note: string, addresses: string[]): boolean {
  try {
    writeAtomically(note, `${addresses.join('\n')}\n`, { durable: true })
    return true
  } catch {
    return false
  }
}

/** Why the server cannot be used: no connection, no greeting, TLS or login refused; undefined where it can. Sends nothing. */
export async function verifyServer(url: string): Promise<string | undefined> {
  const transport = await openTransport(url)
  try {
    await transport.verify()
    return undefined
  } catch (error) {
    return withoutCredentials(readableLine((error as Error).message).slice(0, 500), url)
  } finally {
    transport.close()
  }
}

/** A way to the server; nothing is asked of it yet. */
async function openTransport(url: string) {
  const { createTransport } = await import('nodemailer')
  return createTransport({ url, ...transportOptions(url) } as Parameters<typeof createTransport>[0])
}

/**
 * What the URL does not set itself. With credentials TLS is a must, since nodemailer would otherwise go on without;
 * without them an unknown certificate is taken, since a local server that offers STARTTLS has a self-signed one and
 * the alternative is plain text.
 */
function transportOptions(url: string): object {
  const credentials = new URL(url).username !== ''
  const secure = url.startsWith('smtps:')
  return {
    connectionTimeout: 15_000,
    greetingTimeout: 15_000,
    socketTimeout: 30_000,
    dnsTimeout: 15_000,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(credentials && !secure ? { requireTLS: true } : {}),
    ...(!credentials && !secure ? { tls: { rejectUnauthorized: false } } : {}),
  }
}

function withoutCredentials(text: string, url: string): string {
  const { username, password } = new URL(url)
  const user = decodeURIComponent(username)
  const pass = decodeURIComponent(password)
  const forms = [pass, password, Buffer.from(pass).toString('base64'), Buffer.from(`\0${user}\0${pass}`).toString('base64')]
  return forms.filter((form) => form !== '').reduce((masked, form) => masked.replaceAll(form, '***'), text)
}

/** Strangers choose the Message-IDs that are answered. */
function messageId(id: string): string {
  return `<${readableLine(id).replace(/[<>\s]/g, '')}>`
}

function isMail(mail: Mail): boolean {
  if (typeof mail !== 'object' || mail === null || (mail.cc !== undefined && !isMailbox(String(mail.cc)))) return false
  return isMailbox(String(mail.to)) && [mail.subject, mail.text, mail.message_id].every((text) => typeof text === 'string')
}

/** What a server said of the receivers of a mail, where it took one of them at least. */
interface Taken {
  accepted: string[]
  rejected: unknown[]
  rejectedErrors?: SmtpError[]
}

interface SmtpError extends Error {
  responseCode?: number
  command?: string
}
