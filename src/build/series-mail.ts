import { pageAddress } from '../model/address.ts'
import { buildName, parseBuildName } from '../model/build.ts'
import type { Series } from '../model/request.ts'
import type { Mail } from '../model/mail.ts'
import { keepOutcome, readOutcomes, type SeriesOutcome } from '../patchwork/series-ledger.ts'
import type { PatchworkSource } from '../patchwork/settings.ts'
import { seriesName } from '../patchwork/source-name.ts'
import { replyMail, replyReport } from '../publish/patchwork-reply.ts'
import type { Report } from '../publish/publisher.ts'
import type { Judgement } from './blame/judge-run.ts'
import type { Finished } from './workshop.ts'

export interface ReplySettings {
  home: string
  source: PatchworkSource
  ciName: string
  /** The sender where the source names none: `Name <address>`. */
  from: string
  /** MAIL_ADMIN, who alone hears of a rehearsal. */
  admin: string | undefined
  /** Where this server's pages are, if it has any. */
  publicUrl: string | undefined
  /** Whether MAIL_ALLOW lets mail go there. */
  mayMail: (address: string) => boolean
}

/** The answer to a series, where there is one to give now, and a sentence for the ledger. */
export interface Reply {
  report?: Report
  why: string
}

/**
 * Keeps what this pipeline has to say to the author of the series. The last one of its pipelines to be decided writes the
 * one mail for all; one that failed before that writes a mail that leaves only after a while, in case another pipeline never
 * comes to an end. Which of them is sent, the publisher decides.
 */
export function replyTo(finished: Finished, judgements: Judgement[], settings: ReplySettings): Reply {
  const { mail } = settings.source
  const series = finished.request.series!
  if (mail?.reply !== true && mail?.not_applied !== true) return { why: 'quern.yaml does not ask for replies' }
  const outcome = outcomeOf(finished, judgements, settings)
  keepOutcome(settings.home, series, outcome)
  const outcomes = readOutcomes(settings.home, series)
  const missing = (series.pipelines ?? [outcome.pipeline]).filter((pipeline) => !outcomes.some((one) => one.pipeline === pipeline))
  const failed = merge(outcomes)
  if (failed.length === 0) return { why: 'nothing in it is new and the author’s' }
  if (missing.length > 0 && outcome.failed.length === 0) return { why: `it waits for ${missing.join(', ')}` }
  return address(failed, { finished, series, missing, settings })
}

function address(failed: SeriesOutcome['failed'], { finished, series, missing, settings }: { finished: Finished; series: Series; missing: string[]; settings: ReplySettings }): Reply {
  const { source, ciName, admin, mayMail } = settings
  const written = replyMail({ series: seriesName(series), author: series.submitter, cover: series.cover?.msgid, failed, cc: source.mail?.cc, ciName, from: source.mail?.from ?? settings.from })
  if (written === undefined) return { why: 'the author has no plain mail address' }
  const mail = source.rehearse ? rehearsed(written, admin) : written
  if (mail === undefined) return { why: 'a rehearsal mails MAIL_ADMIN only, which is not set' }
  if (!source.rehearse && !mayMail(mail.to)) return { why: `${mail.to} is not within MAIL_ALLOW` }
  const { ended } = finished.result
  const wait = source.mail?.wait ?? 0
  const notBefore = missing.length === 0 ? undefined : new Date(Date.parse(ended) + wait * 60_000).toISOString()
  const report = replyReport(buildName(finished.result), { series, mail, created: ended, notBefore })
  return { report, why: `${mail.to}${missing.length === 0 ? '' : `, when ${missing.join(', ')} is decided, or after ${wait} minutes`}` }
}

/** Nobody but the administrator sees what the author and the list would get. */
function rehearsed(mail: Mail, admin: string | undefined): Mail | undefined {
  if (admin === undefined) return undefined
  const alone = { ...mail, to: admin }
  delete alone.cc
  return alone
}

function outcomeOf({ plan, request, result }: Finished, judgements: Judgement[], { source: { mail }, publicUrl }: ReplySettings): SeriesOutcome {
  const { patches } = request.series!
  const failure = ({ context, run, build }: Pick<Judgement, 'context' | 'run' | 'build'>, digest: string) => ({ context, digest, url: pageAddress(publicUrl, (build && parseBuildName(build)) || result, run) })
  const failed = patches.flatMap(({ id, n, msgid, name }) => {
    const blamed = mail?.reply === true ? judgements.filter(({ patch, blamed: isBlamed }) => patch === id && isBlamed) : []
    const failures = blamed.map((judgement) => failure(judgement, judgement.excerpt ?? judgement.line))
    const refused = plan?.series?.failed
    if (refused?.id === id && mail?.not_applied === true) failures.push(failure({ context: 'apply', run: result.runs.find(({ verdict }) => verdict === 'not-applied')?.name }, `does not apply: ${refused.reason}`))
    return failures.length === 0 ? [] : [{ n, msgid, name, failures }]
  })
  return { pipeline: request.pipeline ?? '', build: buildName(result), failed }
}

/** What all pipelines say, by patch. */
function merge(outcomes: SeriesOutcome[]): SeriesOutcome['failed'] {
  const patches = new Map<number, SeriesOutcome['failed'][number]>()
  for (const patch of outcomes.flatMap(({ failed }) => failed)) {
    const known = patches.get(patch.n)
    const more = patch.failures.filter(({ context }) => !known?.failures.some((one) => one.context === context))
    patches.set(patch.n, { ...patch, failures: [...(known?.failures ?? []), ...more] })
  }
  return [...patches.values()].toSorted((one, other) => one.n - other.n)
}
