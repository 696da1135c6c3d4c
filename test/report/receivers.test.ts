import { expect, test } from 'vitest'
import type { Verdict } from '../../src/model/verdict.ts'
import { receiversOf, type MailBounds } from '../../src/report/receivers.ts'
import { failedBuild } from '../helpers/failed-build.ts'

const admin = 'admin@example.org'

test.each<[Verdict, string[]]>([
  ['failed', ['ada@example.org']],
  ['timed-out', ['ada@example.org']],
  ['errored', [admin]],
  ['passed', []],
  ['cancelled', []],
  ['skipped', []],
  ['not-applied', []],
])('a %s build of a trusted request mails %j', (verdict, receivers) => {
  const { result, request } = failedBuild({ result: { verdict } })
  expect(receiversOf({ result, request }, { admin, allow: [] }).receivers).toEqual(receivers)
})

test.each<[Verdict, string[]]>([
  ['failed', []],
  ['timed-out', []],
  ['errored', [admin]],
])('a %s build of an untrusted request mails %j, whatever it asks for', (verdict, receivers) => {
  const { result, request, plan } = failedBuild({ result: { verdict }, request: { source: 'github', trusted: false }, plan: { notify: ['victim@example.org'] } })
  expect(receiversOf({ result, request, plan }, { admin, allow: [] }).receivers).toEqual(receivers)
})

test.each([
  ['', 'ada@author.example'],
  ['noreply@github.com', 'ada@author.example'],
  ['12+ada@users.noreply.github.com', 'ada@author.example'],
  ['ada@no-reply.git.example', 'ada@author.example'],
  ['ada@host.(none)', 'ada@author.example'],
  ['ada@example.org\r\nBcc: x@example.org', 'ada@author.example'],
  ['"ada lovelace"@example.org', 'ada@author.example'],
  ['ada@example.org,bob@example.org', 'ada@author.example'],
])('where the committer is %j, %s is mailed', (committer, receiver) => {
  const { result, request } = failedBuild({ request: { committer_email: committer, author_email: 'ada@author.example' } })
  expect(receiversOf({ result, request }, { admin, allow: [] }).receivers).toEqual([receiver])
})

test('where nobody has an address that takes mail, MAIL_ADMIN hears of it', () => {
  const { result, request } = failedBuild({ request: { committer_email: 'noreply@github.com', pusher_email: 'no-reply@example.org' } })
  expect(receiversOf({ result, request }, { admin, allow: ['example.net'] })).toEqual({ receivers: [admin], why: `failed: the committer’s address (noreply@github.com) reaches nobody: MAIL_ADMIN ${admin}` })
  expect(receiversOf({ result, request }, { allow: [] }).why).toContain('MAIL_ADMIN is not set')
})

test.each<[string[], string[]]>([
  [['example.org'], ['ada@example.org', 'list@example.org']],
  [['ada@example.org'], ['ada@example.org']],
  [['example.net'], ['bob@example.net']],
  [['ample.org'], []],
  [['org'], []],
])('MAIL_ALLOW %j leaves %j', (allow, receivers) => {
  const { result, request, plan } = failedBuild({ plan: { notify: ['list@example.org', 'bob@example.net'] } })
  expect(receiversOf({ result, request, plan }, { admin, allow }).receivers).toEqual(receivers)
})

test('MAIL_ALLOW means an address in whatever case it is written', () => {
  const { result, request } = failedBuild({ request: { committer_email: 'Ada@Example.ORG' } })
  for (const allow of ['example.org', 'ada@example.org']) expect(receiversOf({ result, request }, { admin, allow: [allow] }).receivers).toEqual(['Ada@Example.ORG'])
})

test('notify adds receivers, each mailbox once and only plain ones', () => {
  const { result, request, plan } = failedBuild({ plan: { notify: ['ADA@example.org', 'bob@example.org', 'not an address', 'noreply@example.org'] } })
  const bounds: MailBounds = { admin, allow: [] }
  const { receivers, why } = receiversOf({ result, request, plan }, bounds)
  expect(receivers.map((address) => address.toLowerCase())).toEqual(['ada@example.org', 'bob@example.org'])
  expect(why).toBe('failed: committer ada@example.org; notify ADA@example.org; notify bob@example.org; notify not an address is no plain mail address; notify noreply@example.org takes no mail')
})
