import type { Workshop } from '../build/workshop.ts'
import { buildName } from '../model/build.ts'
import { emailReport, mailSender } from '../publish/email.ts'
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
    const { failureMails } = await import('../report/failure-mails.ts')
    const { mails, why, output } = await failureMails(finished, bounds)
    const build = buildName(result)
    if (output !== undefined) log.info({ build, verdict: result.verdict, output }, 'what the mail shows')
    ledger.decide({ decision: mails.length > 0 ? 'mailed' : 'not mailed', reason: why, build, entry: result.entry, commit_id: request.commit_id })
    return mails.map((mail) => emailReport(build, mail, result.ended))
  }
}
