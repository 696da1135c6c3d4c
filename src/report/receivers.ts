import { isRed, type BuildResult } from '../model/build.ts'
import { isMailbox, isNoreply } from '../model/mail.ts'
import type { Plan } from '../model/plan.ts'
import { readableLine } from '../model/readable.ts'
import { isTrusted, type Request } from '../model/request.ts'

/** Who is mailed about a build, and why exactly these: a sentence for the ledger. */
export interface Receivers {
  receivers: string[]
  why: string
}

export interface MailBounds {
  /** MAIL_ADMIN. The server's own setting, so MAIL_ALLOW does not bound it. */
  admin?: string | undefined
  /** MAIL_ALLOW: addresses and domains in lower case; empty allows all. */
  allow: readonly string[]
}

/** Decides who is mailed: the committer where the project is at fault, MAIL_ADMIN where we are, nobody otherwise (law 10). */
export function receiversOf({ result, request, plan }: { result: BuildResult; request: Request; plan?: Plan | undefined }, bounds: MailBounds): Receivers {
  const { verdict } = result
  if (verdict === 'errored') return adminOnly(bounds, 'errored is our fault, not the committer’s')
  if (!isRed(result)) return { receivers: [], why: `${verdict}: nobody is mailed` }
  if (!isTrusted(request)) return { receivers: [], why: `${verdict}: an untrusted request mails nobody` }
  const chosen = [committerOf(request, bounds), ...(plan?.notify ?? []).map((address) => bounded(address, 'notify', bounds))]
  const receivers = unique(chosen.flatMap(({ address }) => address ?? []))
  return { receivers, why: `${verdict}: ${chosen.map(({ why }) => why).join('; ')}` }
}

interface Choice {
  address?: string
  why: string
}

/** The committer, else the author, else the pusher: the first with an address that reaches somebody; without any, MAIL_ADMIN. */
function committerOf(request: Request, bounds: MailBounds): Choice {
  const people = { committer: request.committer_email, author: request.author_email, pusher: request.pusher_email }
  for (const [role, address] of Object.entries(people)) {
    if (address !== undefined && isMailbox(address) && !isNoreply(address)) return bounded(address, role, bounds)
  }
  const { receivers, why } = adminOnly(bounds, `the committer’s address (${readableLine(request.committer_email).slice(0, 100) || 'none'}) reaches nobody`)
  return { ...(receivers[0] !== undefined && { address: receivers[0] }), why }
}

function bounded(address: string, role: string, { allow }: MailBounds): Choice {
  const shown = readableLine(address).slice(0, 300)
  if (!isMailbox(address)) return { why: `${role} ${shown} is no plain mail address` }
  if (isNoreply(address)) return { why: `${role} ${shown} takes no mail` }
  if (!isWithin(address, allow)) return { why: `${role} ${shown} is not within MAIL_ALLOW` }
  return { address, why: `${role} ${shown}` }
}

/** Whether MAIL_ALLOW lets mail go to this address. */
export function isWithin(address: string, allow: readonly string[]): boolean {
  const lower = address.toLowerCase()
  return allow.length === 0 || allow.includes(lower) || allow.includes(lower.slice(lower.lastIndexOf('@') + 1))
}

function adminOnly({ admin }: MailBounds, because: string): Receivers {
  if (admin === undefined) return { receivers: [], why: `${because}, and MAIL_ADMIN is not set: nobody is mailed` }
  return { receivers: [admin], why: `${because}: MAIL_ADMIN ${admin}` }
}

/** One mail a mailbox, whatever the case in which it was written. */
function unique(addresses: string[]): string[] {
  return [...new Map(addresses.map((address) => [address.toLowerCase(), address])).values()]
}
