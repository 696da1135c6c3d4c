/** A mail to one receiver: what `report/` words and the e-mail publisher carries. At rest as the payload of a report. */
export interface Mail {
  /** A plain mailbox, see `isMailbox`. */
  to: string
  subject: string
  text: string
  /** Left and right side of the Message-ID: the same for every attempt to send this mail. */
  message_id: string
  /** Another sender than MAIL_FROM: an address, or `Name <address>`. */
  from?: string
  /** Told as well, openly: a plain mailbox. */
  cc?: string
  /** Message-IDs of the mail that this one answers, and of its thread, oldest first; with or without angle brackets. */
  in_reply_to?: string
  references?: string[]
  /** Further headers, like X-Quern-Build. */
  headers?: Record<string, string>
  /** Files of the build, their paths relative to the build's directory. */
  attachments?: { filename: string; path: string; content_type: string }[]
}

/**
 * Whether the address is a plain mailbox of RFC 5321, section 4.1.2: a dot-string at a domain, in ASCII. Quoted local
 * parts and address literals are refused, as are "%" and "!", by which old servers relay to elsewhere.
 */
export function isMailbox(address: string): boolean {
  const [local = '', domain = '', ...more] = address.split('@')
  if (more.length > 0 || local.length > 64 || address.length > 254) return false
  return /^[\w#$&'*+/=?^`{|}~-]+(?:\.[\w#$&'*+/=?^`{|}~-]+)*$/.test(local) && isDomain(domain)
}

/** Whether mail to this address reaches nobody, as the hosts' privacy addresses and the senders of automatic mail. */
export function isNoreply(address: string): boolean {
  const [local = '', domain = ''] = address.toLowerCase().split('@')
  return /^(?:no|do-?not|donot)[-_.]?reply(?:[-_.+].*)?$/.test(local) || domain.split('.').some((label) => /^no-?reply$/.test(label))
}

/** A domain name of RFC 1123: labels of letters, digits and inner hyphens. */
export function isDomain(name: string): boolean {
  return name.length <= 253 && /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/.test(name)
}
