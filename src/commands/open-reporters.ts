import type { Workshop } from '../build/workshop.ts'
import { buildName } from '../model/build.ts'
import { emailReport, mailSender } from '../publish/email.ts'
import type { QuernConfig } from './open-config.ts'

/** Who is told of a finished build, and how. Why is a decision, and the log shows what the mail shows. */
export function openReporters({ settings }: QuernConfig, { ledger, log }: Pick<Workshop, 'ledger' | 'log'>): Workshop['reportsOn'] {
  const { CI_NAME: ciName, MAIL_ADMIN: admin, MAIL_ALLOW: allow } = settings
  const from = mailSender(settings.MAIL_FROM, ciName).address
  return async (finished) => {
    const { result } = finished
    if (result.verdict === 'passed') return []
    const { failureMails } = await import('../report/failure-mails.ts')
    const { mails, why, output } = await failureMails(finished, { ciName, from, admin, allow })
    const build = buildName(result)
    ledger.decide({ decision: mails.length > 0 ? 'mailing' : 'no mail', reason: why, build, entry: result.entry, commit_id: result.commit_id })
    if (output !== undefined) log.warn({ build, output }, `build ${result.verdict}`)
    return mails.map((mail) => emailReport(build, mail, result.ended))
  }
}
