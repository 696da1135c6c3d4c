import type { Finished, Workshop } from '../build/workshop.ts'
import { buildName } from '../model/build.ts'
import { emailReport, mailSender } from '../publish/email.ts'
import type { Report } from '../publish/publisher.ts'
import type { QuernConfig } from './open-config.ts'

/** Who is told of a finished build, and how. What nobody needs to hear costs nothing: a build that passed loads no mail. */
export function openReporters({ settings }: QuernConfig, { ledger, log }: Pick<Workshop, 'ledger' | 'log'>): Workshop['reportsOn'] {
  const bounds = {
    admin: settings.MAIL_ADMIN,
    allow: settings.MAIL_ALLOW,
    ciName: settings.CI_NAME,
    from: mailSender(settings.MAIL_FROM, settings.CI_NAME).address,
  }
  return async (finished) => {
    const { result, request } = finished
    if (result.verdict === 'passed') return []
    const build = buildName(result)
    const tell = (mails: number, reason: string) => ledger.decide({ decision: mails > 0 ? 'mailed' : 'not mailed', reason, build, entry: result.entry, commit_id: request.commit_id })
    const shares = await sharesOf(finished)
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
}

/** Without a class for its failures a build is told as a whole. */
async function sharesOf(finished: Finished): Promise<Finished[]> {
  if (finished.result.blame === undefined) return [finished]
  const shares = await import('../report/shares.ts')
  return shares.sharesOf(finished)
}
