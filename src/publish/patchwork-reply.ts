import * as v from 'valibot'
import { isDomain, isMailbox, type Mail } from '../model/mail.ts'
import { readable, readableLine } from '../model/readable.ts'
import type { Outcome, Publisher, Report } from './publisher.ts'

/** What failed on one patch. */
interface FailedPatch {
  msgid: string
  /** As the server names it: `[FFmpeg-devel,v2,2/3] area: text`. */
  name: string
  n: number
  failures: {
    /** The check's context. */
    context: string
    digest: string
    /** The check's page. */
    url?: string | undefined
  }[]
}

export interface ReplyOptions {
  /** The name of the series in this home; the mail's identity follows from it. */
  series: string
  author: { name: string; email: string }
  cover?: string | undefined
  /** In the order of the series. */
  failed: FailedPatch[]
  /** The list's address for what CI says. */
  cc?: string | undefined
  ciName: string
  /** The sender: an address, or `Name <address>`. The Message-ID is of its domain. */
  from: string
}

/** Lines of a digest that the mail shows. */
const longestDigest = 60

/**
 * The one mail about a series: a reply to its first patch that failed, in the thread, whatever the number of failures.
 * Undefined where its author has no plain address.
 */
export function replyMail({ series, author, cover, failed, cc, ciName, from }: ReplyOptions): Mail | undefined {
  const [first] = failed
  if (first === undefined || !isMailbox(author.email)) return undefined
  const domain = from.slice(from.lastIndexOf('@') + 1).replace(/>.*$/, '')
  return {
    to: author.email,
    from,
    ...(cc !== undefined && isMailbox(cc) && { cc }),
    subject: `Re: ${mailSubject(first.name)}`,
    message_id: `series-${series}@${isDomain(domain) ? domain : 'localhost'}`,
    in_reply_to: first.msgid,
    references: [...(cover === undefined ? [] : [cover]), first.msgid],
    text: textOf({ author, failed, ciName }),
  }
}

/** The reply at rest. */
const replySchema = v.object({ server: v.string(), series: v.number(), mail: v.custom<Mail>((mail) => typeof mail === 'object' && mail !== null) })

interface NewReply {
  series: { server: string; id: number }
  mail: Mail
  created: string
  notBefore?: string | undefined
}

/** The report that carries the reply: one a series and build. */
export function replyReport(build: string, { series: { server, id }, mail, created, notBefore }: NewReply): Report<v.InferOutput<typeof replySchema>> {
  return { id: `reply-${id}`, publisher: 'patchwork-reply', build, created, ...(notBefore !== undefined && { not_before: notBefore }), payload: { server, series: id, mail } }
}

export interface RepliesOptions {
  /** Carries the mail. */
  email: Publisher
  /** Why a series is told nothing any more, asked just before mailing; undefined where it is current. */
  outdated: (series: { server: string; id: number }) => string | undefined
  /** Makes the build the owner of the series' one mail unless another one is, and returns the owner. */
  owner: (series: { server: string; id: number }, build: string) => string
}

/** Sends the one mail about a series: the first build that comes to it owns it, what others wrote is dropped. */
export function openReplies({ email, outdated, owner }: RepliesOptions): Publisher {
  return { publish }

  async function publish(report: Report): Promise<Outcome> {
    const parsed = v.safeParse(replySchema, report.payload)
    if (!parsed.success) return { kind: 'refused', reason: 'it is no reply' }
    const { server, series: id, mail } = parsed.output
    const old = outdated({ server, id })
    if (old !== undefined) return { kind: 'dropped', reason: old }
    const its = owner({ server, id }, report.build)
    if (its !== report.build) return { kind: 'dropped', reason: `the mail about the series is ${its}'s` }
    return email.publish({ ...report, payload: mail })
  }
}

/** The subject as it was mailed, by which mail readers keep a thread: the server merges the brackets and drops PATCH. */
export function mailSubject(name: string): string {
  const line = readableLine(name)
  const [, inner = '', text = line] = /^\[([^\]]*)\]\s*(.*)$/.exec(line) ?? []
  const parts = inner.split(',').filter((part) => part !== '')
  const ofPatch = parts.filter((part) => /^(?:v\d+|\d+\/\d+|rfc|resend)$/i.test(part))
  const lists = parts.filter((part) => !ofPatch.includes(part)).map((part) => `[${part}] `)
  return `${lists.join('')}[${['PATCH', ...ofPatch].join(' ')}] ${text}`
}

function textOf({ author, failed, ciName }: Pick<ReplyOptions, 'author' | 'failed' | 'ciName'>): string {
  const parts = failed.map(({ name, failures }) => `${mailSubject(name)}\n\n${failures.map(tellFailure).join('\n\n')}`)
  return `Hello ${readableLine(author.name) || 'there'},

${ciName} ${doneWith(failed)}:

${parts.join('\n\n\n')}

This is the only mail about this series. A new version of it is built by itself.

-- 
${ciName}, an automatic build
`
}

/** One that does not apply was not built. */
function doneWith(failed: FailedPatch[]): string {
  const failures = failed.flatMap((patch) => patch.failures)
  const refused = failures.filter(({ context, digest }) => context === 'apply' && digest.startsWith('does not apply: '))
  if (refused.length === failures.length) return 'could not apply your patch'
  if (refused.length > 0) return 'applied and built your patches as far as it could. This failed, and did not fail before'
  return `applied your patch${failed.length === 1 ? '' : 'es'} and built ${failed.length === 1 ? 'it' : 'them'}. This failed, and did not fail before`
}

function tellFailure({ context, digest, url }: FailedPatch['failures'][number]): string {
  const lines = readable(digest).trimEnd().split('\n')
  const shown = lines.length <= longestDigest ? lines : [...lines.slice(0, longestDigest), `… ${lines.length - longestDigest} more lines`]
  return [`${context}${url === undefined ? '' : `: ${readableLine(url)}`}`, ...shown.map((line) => `    ${line}`)].join('\n')
}
