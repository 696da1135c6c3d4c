import type { Finished, Workshop } from '../build/workshop.ts'
import { buildName } from '../model/build.ts'
import { emailReport } from '../publish/email.ts'
import type { Report } from '../publish/publisher.ts'
import { mailSender } from '../publish/settings.ts'
import type { QuernConfig } from './open-config.ts'
import { sourceOf } from './open-patchwork.ts'

type Books = Pick<Workshop, 'ledger' | 'log'>

/** Who is told of a finished build, and how. What nobody needs to hear costs nothing: a build that passed loads no mail. */
export function openReporters(config: QuernConfig, books: Books): Workshop['reportsOn'] {
  return async (finished) => {
    const { result, request, open } = finished
    const checks = request.series === undefined ? [] : await seriesReports(config, finished, books)
    if (open !== undefined || result.verdict === 'passed' || (request.series !== undefined && !isOurs(finished))) return checks
    return [...checks, ...(await failureReports(config, finished, books))]
  }
}

function isOurs({ result }: Finished): boolean {
  return result.verdict === 'errored' || result.runs.some(({ blame }) => blame?.class === 'infra')
}

async function failureReports({ settings }: QuernConfig, finished: Finished, { ledger, log }: Books): Promise<Report[]> {
  const { result, request } = finished
  const bounds = {
    admin: settings.MAIL_ADMIN,
    allow: settings.MAIL_ALLOW,
    ciName: settings.CI_NAME,
    from: mailSender(settings.MAIL_FROM, settings.CI_NAME).address,
  }
  const build = buildName(result)
  const tell = (mails: number, reason: string) => ledger.decide({ decision: mails > 0 ? 'mailed' : 'not mailed', reason, build, entry: result.entry, commit_id: request.commit_id })
  // The author of a mailed series is answered by its reply.
  const shares = (await sharesOf(finished)).filter((share) => request.series === undefined || share.result.verdict === 'errored')
  if (shares.length === 0 && result.blame !== undefined) tell(0, `${result.blame.class}: nobody is mailed`)
  const reports = new Map<string, Report>()
  for (const share of shares) {
    const { failureMails } = await import('../report/failure-mails.ts')
    const { mails, why, output } = await failureMails(share, bounds)
    if (output !== undefined) log.info({ build, verdict: share.result.verdict, output }, 'what the mail shows')
    tell(mails.length, why)
    for (const report of mails.map((mail) => emailReport(build, mail, result.ended))) if (!reports.has(report.id)) reports.set(report.id, report)
  }
  return [...reports.values()]
}

/** Without a class for its failures a build is told as a whole. */
async function sharesOf(finished: Finished): Promise<Finished[]> {
  if (finished.result.blame === undefined) return [finished]
  const shares = await import('../report/shares.ts')
  return shares.sharesOf(finished)
}

/** Says to the server of a mailed series what is to be built of it. */
export function openSeriesAnnouncer(config: QuernConfig): Workshop['reportsAtStart'] {
  return async (build, settled) => {
    const { series } = settled.request
    if (series === undefined || !postsChecks(config, series)) return []
    const { checksAtStart } = await import('../build/series-checks.ts')
    return checksAtStart({ build, series, publicUrl: config.settings.PUBLIC_URL }, settled)
  }
}

/** What the server and the author of a mailed series are told; nothing once a newer version is there, and the author only when all is known. */
async function seriesReports(config: QuernConfig, finished: Finished, { ledger }: Books): Promise<Report[]> {
  const { home, settings } = config
  const { result, request } = finished
  const series = request.series!
  const [{ supersededBy }, { judgePatches }, { checksAtEnd }, { replyTo }, { isWithin }] = await Promise.all([
    import('../patchwork/series-ledger.ts'),
    import('../build/blame/judge-patches.ts'),
    import('../build/series-checks.ts'),
    import('../build/series-mail.ts'),
    import('../report/receivers.ts'),
  ])
  const found = sourceOf(config, series)
  if (found === undefined || supersededBy(home, series) !== undefined) return []
  const build = buildName(result)
  const judgements = await judgePatches(finished, home)
  const checks = postsChecks(config, series) ? checksAtEnd({ build, series, publicUrl: settings.PUBLIC_URL }, judgements, result.ended) : []
  if (finished.open !== undefined) return checks
  const { name, address } = mailSender(settings.MAIL_FROM, settings.CI_NAME)
  const { report, why } = replyTo(finished, judgements, { home, source: found.source, ciName: settings.CI_NAME, from: `${name} <${address}>`, admin: settings.MAIL_ADMIN, publicUrl: settings.PUBLIC_URL, mayMail: (to) => isWithin(to, settings.MAIL_ALLOW) })
  ledger.decide({ decision: report === undefined ? 'not mailed' : 'mailed', reason: `${result.verdict}: ${why}`, build, entry: result.entry, commit_id: request.commit_id })
  return report === undefined ? checks : [...checks, report]
}

/** Without a token nothing can be posted; a rehearsal says what would be. */
function postsChecks(config: QuernConfig, series: NonNullable<Finished['request']['series']>): boolean {
  const source = sourceOf(config, series)?.source
  return source !== undefined && (source.rehearse || source.token_env !== undefined)
}
