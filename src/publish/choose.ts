import { openEmail, type MailServer } from './email.ts'
import { openPatchworkChecks, type PatchworkChecksOptions } from './patchwork-check.ts'
import { openReplies, type RepliesOptions } from './patchwork-reply.ts'
import type { Publisher } from './publisher.ts'

/** What each publisher needs of the configuration. */
export interface PublisherSettings {
  email: MailServer
  patchwork: PatchworkChecksOptions & Pick<RepliesOptions, 'owner'>
}

/** The publishers of this installation by the name that reports carry. A new one is one file and one line here. */
export function choosePublishers({ email, patchwork }: PublisherSettings): Record<string, Publisher> {
  const mail = openEmail(email)
  return { email: mail, 'patchwork-check': openPatchworkChecks(patchwork), 'patchwork-reply': openReplies({ ...patchwork, email: mail }) }
}
