import { expect, test } from 'vitest'
import { openEmail } from '../../src/publish/email.ts'
import { mailSubject, openReplies, replyMail, replyReport, type ReplyOptions } from '../../src/publish/patchwork-reply.ts'
import type { Outcome } from '../../src/publish/publisher.ts'
import type { Mail } from '../../src/model/mail.ts'
import { smtpListener } from '../helpers/smtp.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const failure = { context: 'make_x86', digest: 'abs.c:3: error: expected ;\nmake: *** [all] Error 1', url: 'https://ci.example.org/builds/x86/1' }
const options: ReplyOptions = {
  series: 'patchwork-example-org-2',
  author: { name: 'Bob Example', email: 'bob@example.com' },
  cover: '<cover.1@example.com>',
  failed: [
    { n: 2, msgid: '<two@example.com>', name: '[FFmpeg-devel,v2,2/3] libmini: add it', failures: [failure, { ...failure, context: 'make_ppc', url: undefined }] },
    { n: 3, msgid: '<three@example.com>', name: '[FFmpeg-devel,v2,3/3] tests: test it', failures: [failure] },
  ],
  cc: 'ci@lists.example.org',
  ciName: 'Mill',
  from: 'Mill <ci@example.org>',
}

const series = { server: 'https://patchwork.example.org', id: 2 }

/** By the publisher of the build x86/1, in a home where the series' mail is owned by that build or as told. */
function publish(url: string, mail: Mail, { owner = 'x86/1', outdated }: { owner?: string; outdated?: string } = {}): Promise<Outcome> {
  const email = openEmail({ url, from: { name: 'Quern', address: 'quern@example.org' }, builds: tempDir() })
  return openReplies({ email, outdated: () => outdated, owner: () => owner }).publish(replyReport('x86/1', { series, mail, created: '2026-11-21T10:00:00Z' }))
}

test('the reply stands in the thread of the first patch that failed', async () => {
  const smtp = await smtpListener()
  const mail = replyMail(options)!

  expect(await publish(smtp.url, mail)).toEqual({ kind: 'sent' })

  const [taken] = smtp.taken
  expect(taken!.to.toSorted()).toEqual(['bob@example.com', 'ci@lists.example.org'])
  expect(taken!.from).toBe('ci@example.org')
  expect(taken!.email).toMatchObject({
    subject: 'Re: [FFmpeg-devel] [PATCH v2 2/3] libmini: add it',
    inReplyTo: '<two@example.com>',
    references: '<cover.1@example.com> <two@example.com>',
    messageId: '<series-patchwork-example-org-2@example.org>',
    from: { name: 'Mill', address: 'ci@example.org' },
    cc: [{ address: 'ci@lists.example.org' }],
  })
  for (const words of ['make_x86: https://ci.example.org/builds/x86/1', 'make_ppc\n', '    abs.c:3: error: expected ;', '[FFmpeg-devel] [PATCH v2 3/3] tests: test it']) expect(taken!.text).toContain(words)
})

test('nothing that strangers choose becomes a header', async () => {
  const smtp = await smtpListener()
  const evil = '<x@example.com>\r\nBcc: victim@example.com'
  const mail = replyMail({ ...options, cover: evil, failed: [{ n: 1, msgid: evil, name: 'area: text\r\nBcc: victim@example.com', failures: [failure] }] })!

  await publish(smtp.url, mail)

  expect(smtp.taken[0]!.to).toEqual(['bob@example.com', 'ci@lists.example.org'])
  expect(smtp.taken[0]!.raw).not.toMatch(/^Bcc:/im)
})

test('a copy that the server does not take does not make the mail refused', async () => {
  const smtp = await smtpListener({ recipient: (address) => (address.startsWith('ci@') ? 550 : undefined) })

  expect(await publish(smtp.url, replyMail(options)!)).toEqual({ kind: 'sent' })
})

test('the same series has the same mail, whatever failed', () => {
  const other = replyMail({ ...options, failed: options.failed.slice(1) })!

  expect(other.message_id).toBe(replyMail(options)!.message_id)
})

test('an author without a plain address, or nothing that failed, makes no mail', () => {
  expect(replyMail({ ...options, author: { name: 'x', email: 'not an address' } })).toBeUndefined()
  expect(replyMail({ ...options, failed: [] })).toBeUndefined()
})

test('of a patch that does not apply it does not say that it was applied and built', () => {
  const refused = { n: 3, msgid: '<three@example.com>', name: '[3/3] tests: test it', failures: [{ context: 'apply', digest: 'does not apply: conflict in tests' }] }
  const text = (failed: ReplyOptions['failed']) => replyMail({ ...options, failed })!.text

  expect(text(options.failed)).toContain('Mill applied your patches and built them. This failed, and did not fail before:\n')
  expect(text([refused])).toContain('Mill could not apply your patch:\n')
  expect(text([options.failed[0]!, refused])).toContain('Mill applied and built your patches as far as it could. This failed, and did not fail before:\n')
})

test('a long digest is cut, and says so', () => {
  const digest = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n')
  const { text } = replyMail({ ...options, failed: [{ n: 1, msgid: '<a@b>', name: 'x', failures: [{ context: 'c', digest }] }] })!

  expect(text).toContain('    line 59\n    … 40 more lines')
})

test.each([
  ['[FFmpeg-devel,1/3] libmini: add it', '[FFmpeg-devel] [PATCH 1/3] libmini: add it'],
  ['[v3] x: y', '[PATCH v3] x: y'],
  ['x: y', '[PATCH] x: y'],
  ['[net-next,v2,RESEND,2/4] x: [y] z', '[net-next] [PATCH v2 RESEND 2/4] x: [y] z'],
])('%s was mailed as %s', (name, subject) => {
  expect(mailSubject(name)).toBe(subject)
})

test('a build that does not own the mail of the series sends none, nor does any once a newer version is there', async () => {
  const smtp = await smtpListener()

  expect(await publish(smtp.url, replyMail(options)!, { owner: 'ppc/7' })).toEqual({ kind: 'dropped', reason: "the mail about the series is ppc/7's" })
  expect(await publish(smtp.url, replyMail(options)!, { outdated: 'superseded by version 3' })).toEqual({ kind: 'dropped', reason: 'superseded by version 3' })
  expect(smtp.taken).toEqual([])
})
