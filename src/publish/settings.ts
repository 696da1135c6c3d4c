import { hostname } from 'node:os'
import * as v from 'valibot'
import { isDomain, isMailbox } from '../model/mail.ts'

const line = v.pipe(v.string(), v.regex(/^[^\p{Cc}\u2028\u2029]{1,100}$/u, 'expected one line of at most 100 characters'))
const mailbox = v.pipe(v.string(), v.trim(), v.check((text) => text === '' || isMailbox(text), 'expected a mail address like admin@example.org'), v.transform(orUnset))
const sender = v.pipe(v.string(), v.trim(), v.check((text) => text === '' || parseSender(text) !== undefined, 'expected "Name <address>" or an address'), v.transform(orUnset))
const allowList = v.pipe(
  v.string(),
  v.transform((text) => text.split(/[\s,]+/).filter((item) => item !== '').map((item) => item.toLowerCase().replace(/^@/, ''))),
  v.array(v.pipe(v.string(), v.check((item) => isDomain(item) || isMailbox(item), 'expected mail addresses and domains, with commas between them'))),
)
const smtpUrl = v.pipe(v.string(), v.check(isSmtpUrl, 'expected a URL like smtp://user:password@mail.example.org:587 or smtps://mail.example.org'))

/** The settings of mail in environment.sh. */
export const mailEnvironment = {
  /** How the installation calls itself in subjects and signatures. */
  CI_NAME: v.optional(line, 'Quern'),
  SMTP_URL: v.optional(smtpUrl, 'smtp://localhost:25'),
  /** Unset: `<CI_NAME> <quern@this host>`. */
  MAIL_FROM: v.optional(sender, ''),
  /** Hears of errored builds, and of failed ones whose committer has no address. */
  MAIL_ADMIN: v.optional(mailbox, ''),
  /** Bounds receivers; unset, every address is allowed. MAIL_ADMIN always is. */
  MAIL_ALLOW: v.optional(allowList, ''),
}

export interface MailSender {
  name: string
  address: string
}

/** The sender that MAIL_FROM names, or a sensible one. */
export function mailSender(from: string | undefined, ciName: string): MailSender {
  const parsed = from === undefined ? undefined : parseSender(from)
  if (parsed !== undefined) return { name: parsed.name || ciName, address: parsed.address }
  return { name: ciName, address: `quern@${isDomain(hostname()) ? hostname() : 'localhost'}` }
}

/** Takes `Name <address>`, or an address, apart; undefined where it is neither. */
export function parseSender(text: string): MailSender | undefined {
  const match = /^(?:"?([^"<>\p{Cc}]*?)"?\s*<([^<>]+)>|([^<>\s]+))$/u.exec(text)
  const address = match?.[2] ?? match?.[3] ?? ''
  return match && isMailbox(address) ? { name: (match[1] ?? '').trim(), address } : undefined
}

function isSmtpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname: host, username, password } = new URL(text)
  return (protocol === 'smtp:' || protocol === 'smtps:') && host !== '' && isDecodable(username) && isDecodable(password)
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function orUnset(text: string): string | undefined {
  return text === '' ? undefined : text
}
