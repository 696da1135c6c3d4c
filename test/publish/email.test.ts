import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as v from 'valibot'
import { expect, onTestFinished, test } from 'vitest'
import type { Mail } from '../../src/model/mail.ts'
import { emailReport, openEmail } from '../../src/publish/email.ts'
import type { Outcome } from '../../src/publish/publisher.ts'
import { mailEnvironment, mailSender } from '../../src/publish/settings.ts'
import { smtpListener } from '../helpers/smtp.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const from = { name: 'Quern', address: 'quern@ci.example.org' }
const mail: Mail = { to: 'ada@example.org', subject: 'Quern build failed for app/0123', text: 'Greetings\n\nand salutations: grüße\n', message_id: 'abc@ci.example.org', headers: { 'X-Quern-Build': 'acme~app/7' } }

test('a mail arrives with its receiver, text, Message-ID and the mark of automatic mail', async () => {
  const smtp = await smtpListener()
  expect(await send(smtp.url)).toEqual({ kind: 'sent' })
  const [taken] = smtp.taken
  expect(taken).toMatchObject({ from: from.address, to: ['ada@example.org'], text: mail.text })
  expect(taken!.email).toMatchObject({ subject: mail.subject, messageId: '<abc@ci.example.org>', from: { name: 'Quern', address: from.address } })
  expect(header(taken!.raw, 'auto-submitted')).toBe('auto-generated')
  expect(header(taken!.raw, 'x-quern-build')).toBe('acme~app/7')
})

test('sent twice, a mail has one Message-ID', async () => {
  const smtp = await smtpListener()
  await send(smtp.url)
  await send(smtp.url)
  expect(smtp.taken.map(({ email }) => email.messageId)).toEqual(['<abc@ci.example.org>', '<abc@ci.example.org>'])
})

test('files of the build are attached; one that is gone is left out', async () => {
  const smtp = await smtpListener()
  const builds = tempDir()
  mkdirSync(join(builds, 'acme~app/7/reports'), { recursive: true })
  writeFileSync(join(builds, 'acme~app/7/reports/log.gz'), Buffer.from([0x1f, 0x8b, 0, 255]))
  const attachments = ['log', 'gone'].map((name) => ({ filename: `${name}.gz`, path: `reports/${name}.gz`, content_type: 'application/gzip' }))
  expect(await send(smtp.url, { attachments }, builds)).toEqual({ kind: 'sent' })
  expect(smtp.taken[0]!.email.attachments).toMatchObject([{ filename: 'log.gz', mimeType: 'application/gzip' }])
  expect(Buffer.from(smtp.taken[0]!.email.attachments[0]!.content as ArrayBuffer)).toEqual(Buffer.from([0x1f, 0x8b, 0, 255]))
})

test.each([
  [550, 'refused'],
  [451, 'later'],
])('a receiver answered with %i makes the mail %s', async (code, kind) => {
  const smtp = await smtpListener({ recipient: () => code })
  expect(await send(smtp.url)).toEqual({ kind, reason: expect.stringContaining(String(code)) })
})

test.each([
  [554, 'refused'],
  [452, 'later'],
])('a message answered with %i makes the mail %s', async (code, kind) => {
  const smtp = await smtpListener({ data: () => code })
  expect(await send(smtp.url)).toEqual({ kind, reason: expect.stringContaining(String(code)) })
})

test('of two receivers, the refused one silences only itself', async () => {
  const smtp = await smtpListener({ recipient: (address) => (address.startsWith('gone@') ? 550 : undefined) })
  expect(await send(smtp.url, { to: 'gone@example.org' })).toMatchObject({ kind: 'refused' })
  expect(await send(smtp.url)).toMatchObject({ kind: 'sent' })
})

test.each([
  ['ada@example.org', 'ci@example.org'],
  ['ci@example.org', 'ada@example.org'],
])('where the server puts off %s alone, %s has the mail once, and the other with a later try', async (late, early) => {
  let ready = false
  const smtp = await smtpListener({ recipient: (address) => (address === late && !ready ? 451 : undefined) })
  const builds = tempDir()
  mkdirSync(join(builds, 'acme~app/7/sent'), { recursive: true })
  const told = { cc: 'ci@example.org' }
  expect(await send(smtp.url, told, builds)).toEqual({ kind: 'later', reason: expect.stringContaining('451') })
  expect(await send(smtp.url, told, builds)).toMatchObject({ kind: 'later' })
  ready = true
  expect(await send(smtp.url, told, builds)).toEqual({ kind: 'sent' })
  expect(smtp.taken.map(({ to }) => to)).toEqual([[early], [late]])
})

test('whoever has a mail gets it once, also where a domain is written in capitals', async () => {
  let ready = false
  const smtp = await smtpListener({ recipient: (address) => (address.startsWith('ci@') && !ready ? 451 : undefined) })
  const builds = tempDir()
  mkdirSync(join(builds, 'acme~app/7/sent'), { recursive: true })
  const told = { to: 'Ada@Example.ORG', cc: 'ci@Example.org' }
  expect(await send(smtp.url, told, builds)).toMatchObject({ kind: 'later' })
  expect(await send(smtp.url, told, builds)).toMatchObject({ kind: 'later' })
  ready = true
  expect(await send(smtp.url, told, builds)).toEqual({ kind: 'sent' })
  expect(smtp.taken.map(({ to }) => to)).toEqual([['Ada@example.org'], ['ci@example.org']])
})

test('a receiver whose domain is written in capitals is refused where the server took only the other', async () => {
  const smtp = await smtpListener({ recipient: (address) => (address.startsWith('gone@') ? 550 : undefined) })
  expect(await send(smtp.url, { to: 'gone@Example.ORG', cc: 'ci@example.org' })).toMatchObject({ kind: 'refused' })
})

test.each([
  ['ci@example.org', 'sent'],
  ['ada@example.org', 'refused'],
])('where %s is put off and then refused, the mail is %s', async (late, kind) => {
  let code = 451
  const smtp = await smtpListener({ recipient: (address) => (address === late ? code : undefined) })
  const builds = tempDir()
  mkdirSync(join(builds, 'acme~app/7/sent'), { recursive: true })
  expect(await send(smtp.url, { cc: 'ci@example.org' }, builds)).toMatchObject({ kind: 'later' })
  code = 550
  expect(await send(smtp.url, { cc: 'ci@example.org' }, builds)).toMatchObject({ kind })
})

test('where it cannot be kept who has the mail, nobody gets it twice', async () => {
  const smtp = await smtpListener({ recipient: (address) => (address.startsWith('ci@') ? 451 : undefined) })
  expect(await send(smtp.url, { cc: 'ci@example.org' })).toEqual({ kind: 'sent' })
})

test('a server that is down makes the mail wait', async () => {
  const smtp = await smtpListener()
  await smtp.close()
  expect(await send(smtp.url)).toEqual({ kind: 'later', reason: expect.stringContaining(`127.0.0.1:${smtp.port}`) })
})

test('a server that hangs up in the middle of the message makes the mail wait', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write('220 half\r\n')
    socket.on('data', (data) => {
      if (data.toString().startsWith('DATA')) socket.destroy()
      else socket.write('250 fine\r\n')
    })
  })
  const port = await new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)))
  onTestFinished(() => void server.close())
  expect(await send(`smtp://127.0.0.1:${port}`)).toMatchObject({ kind: 'later' })
})

test('a server that says nothing makes the mail wait, after a time that the URL may set', async () => {
  const smtp = await smtpListener({ hangs: true })
  expect(await send(`${smtp.url}?greetingTimeout=200&connectionTimeout=200`)).toMatchObject({ kind: 'later' })
})

test('credentials go over STARTTLS only, and a server without it gets neither them nor the mail', async () => {
  const login = { user: 'ci', password: 'not-a-real-password' }
  const plain = await smtpListener({ login })
  const refused = await send(plain.url.replace('//', '//ci:not-a-real-password@'))
  expect(refused.kind).toBe('later')
  expect(plain.taken).toEqual([])

  const tls = await smtpListener({ login, tls: selfSigned() })
  const url = tls.url.replace('//', '//ci:not-a-real-password@')
  expect(await send(url), 'an unknown certificate').toMatchObject({ kind: 'later', reason: expect.stringMatching(/certificate/i) })
  expect(await send(`${url}?tls.rejectUnauthorized=false`)).toEqual({ kind: 'sent' })
})

test('without credentials a self-signed STARTTLS, as a local server offers it, is taken', async () => {
  const smtp = await smtpListener({ tls: selfSigned() })
  expect(await send(smtp.url)).toEqual({ kind: 'sent' })
})

test('a wrong password makes the mail wait and is not told', async () => {
  const smtp = await smtpListener({ login: { user: 'ci', password: 'another' }, tls: selfSigned() })
  const outcome = await send(`${smtp.url.replace('//', '//ci:n%40t-a-real-password@')}?tls.rejectUnauthorized=false`)
  expect(outcome).toMatchObject({ kind: 'later', reason: expect.stringContaining('535') })
  expect(JSON.stringify(outcome)).not.toMatch(/real-password/)
})

test('no line break in a subject, Message-ID or header adds a header', async () => {
  const smtp = await smtpListener()
  const evil = 'x\r\nBcc: victim@example.org\r\n\r\nbody\u2028\u0085'
  await send(smtp.url, { subject: evil, message_id: evil, headers: { 'X-Quern-Build': evil } })
  const [taken] = smtp.taken
  expect(taken!.to).toEqual(['ada@example.org'])
  expect(taken!.email.bcc).toBeUndefined()
  expect(taken!.text).toBe(mail.text)
  expect(taken!.raw.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/m)
})

test.each(['a@b@c', 'ada@example.org\r\nRCPT TO:<x@y>', 'ada@example.org, bob@example.org', '"a b"@example.org', 'ada', 'a%b@example.org', 'ada@[127.0.0.1]', ' ada@example.org', ''])('%j is no receiver', async (to) => {
  const smtp = await smtpListener()
  expect(await send(smtp.url, { to })).toMatchObject({ kind: 'refused' })
  expect(smtp.connections()).toBe(0)
})

test.each([null, 'text', {}, { to: 'ada@example.org' }, { to: 'ada@example.org', subject: 1, text: 'x', message_id: 'x' }])('the payload %j is no mail', async (payload) => {
  const report = { ...emailReport('acme~app/7', mail, new Date().toISOString()), payload }
  expect(await openEmail({ url: 'smtp://127.0.0.1:9', from, builds: '/nowhere' }).publish(report)).toMatchObject({ kind: 'refused' })
})

test('the settings have sensible defaults and refuse what is no mailbox, list or URL', () => {
  const schema = v.object(mailEnvironment)
  expect(v.parse(schema, {})).toEqual({ CI_NAME: 'Quern', SMTP_URL: 'smtp://localhost:25', MAIL_FROM: undefined, MAIL_ADMIN: undefined, MAIL_ALLOW: [] })
  expect(v.parse(schema, { MAIL_ALLOW: 'example.org, Ada@Example.com @lists.example.net' })).toMatchObject({ MAIL_ALLOW: ['example.org', 'ada@example.com', 'lists.example.net'] })
  for (const wrong of [{ SMTP_URL: 'localhost:25' }, { SMTP_URL: 'http://localhost' }, { MAIL_FROM: 'CI' }, { MAIL_ADMIN: 'x\ny@z' }, { MAIL_ALLOW: 'a b@' }, { CI_NAME: 'two\nlines' }]) {
    expect(v.safeParse(schema, wrong).success, JSON.stringify(wrong)).toBe(false)
  }
})

test('the sender is MAIL_FROM, named by CI_NAME where it has no name', () => {
  expect(mailSender('"Build Bot" <ci@example.org>', 'Quern')).toEqual({ name: 'Build Bot', address: 'ci@example.org' })
  expect(mailSender('ci@example.org', 'AMP')).toEqual({ name: 'AMP', address: 'ci@example.org' })
  expect(mailSender(undefined, 'AMP')).toEqual({ name: 'AMP', address: expect.stringMatching(/^quern@[\w.-]+$/) })
})

function send(url: string, change: Partial<Mail> = {}, builds = '/nowhere'): Promise<Outcome> {
  return openEmail({ url, from, builds }).publish(emailReport('acme~app/7', { ...mail, ...change }, new Date().toISOString()))
}

function header(raw: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)$`, 'im').exec(raw)?.[1]?.trim()
}

/** A certificate that nobody signed, for the name test.invalid, good for a hundred years. */
function selfSigned(): { key: string; cert: string } {
  return { key: readFileSync('test/fixtures/smtp/key.pem', 'utf8'), cert: readFileSync('test/fixtures/smtp/cert.pem', 'utf8') }
}
