import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { Mail } from '../../src/model/mail.ts'
import { directoryName } from '../../src/model/names.ts'
import { emailReport, openEmail } from '../../src/publish/email.ts'
import { failureMails } from '../../src/report/failure-mails.ts'
import { failedBuild, failedRun } from '../helpers/failed-build.ts'
import { smtpListener } from '../helpers/smtp.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const settings = { ciName: 'Quern', from: 'quern@ci.example.org', admin: 'admin@example.org', allow: [] }

test('the mail has exactly this form', async () => {
  const { mail } = await mailOf({ build: '+ make\nmake: *** No targets specified and no makefile found.  Stop.\n' })
  expect(mail.subject).toBe('Quern build failed for app/0123456789abcdef0123456789abcdef01234567')
  expect(mail.text).toBe(`Greetings and salutations Ada Lovelace!

Hopefully this email finds you well.

The build for app commit 0123456789abcdef0123456789abcdef01234567 in the branch refs/heads/main has failed.

The script returned an rc of 2 and produced the following output:
----------------------------------
+ make
make: *** No targets specified and no makefile found.  Stop.
----------------------------------

Sorry about that.

With warmest regards,
Quern CI
`)
})

test('the text arrives as it was written', async () => {
  const smtp = await smtpListener()
  const { mail } = await mailOf({ build: `${'long '.repeat(400)}\n.\n..\nFrom here\n  grün  \n` })
  await openEmail({ url: smtp.url, from: { name: 'Quern', address: settings.from }, builds: '/nowhere' }).publish(emailReport('acme~app/7', mail, new Date().toISOString()))
  expect(smtp.taken[0]!.text.trimEnd()).toBe(mail.text.trimEnd())
  expect(smtp.taken[0]!.text).toContain('long long')
})

test('CI_NAME names the installation in subject and signature', async () => {
  const { mail } = await mailOf({ build: 'x\n' }, {}, { ciName: 'AMP' })
  expect(mail.subject).toMatch(/^AMP build failed for app\//)
  expect(mail.text).toMatch(/With warmest regards,\nAMP CI\n$/)
})

test.each([
  [{ verdict: 'timed-out', signal: 'SIGKILL' }, 'no rc, since its time was up,'],
  [{ code: undefined, signal: 'SIGSEGV' }, 'no rc, since it was ended by SIGSEGV,'],
  [{ code: undefined }, 'no rc'],
  [{ code: 127 }, 'an rc of 127'],
] as const)('a run that ended so: %j returned %s', async (change, rc) => {
  const { verdict, ...rest } = { verdict: 'failed' as const, ...change }
  const run = failedRun('build', { verdict, ...rest })
  if ('code' in change && change.code === undefined) delete run.code
  const { mail } = await mailOf({ build: 'x\n' }, { result: { verdict, runs: [run] } })
  expect(mail.text).toContain(`The script returned ${rc} and produced the following output:\n---`)
})

test('an errored build tells MAIL_ADMIN, in the subject too, and why', async () => {
  const run = failedRun('build', { verdict: 'errored', reason: 'bwrap is not installed: apt install bubblewrap' })
  delete run.code
  const { mail } = await mailOf({}, { result: { verdict: 'errored', runs: [run] } })
  expect(mail.to).toBe('admin@example.org')
  expect(mail.subject).toMatch(/^Quern build errored for app\//)
  expect(mail.text).toContain('The script could not be run to its end. Its output, and the reason:\n----------------------------------\n[bwrap is not installed: apt install bubblewrap]\n-----')
})

test('a build that errored before any run says so', async () => {
  const { mail } = await mailOf({}, { result: { verdict: 'errored', runs: [], reason: 'commit 0123 is gone (forced push)' } })
  expect(mail.text).toContain('has errored.\n\nNo script was run, for this reason:\n----------------------------------\ncommit 0123 is gone (forced push)\n-----')
})

test('a reason that the output tells already is not told twice', async () => {
  const run = failedRun('pipeline', { reason: 'pipeline.ts:4: two jobs are named "a"' })
  const { mail } = await mailOf({ pipeline: 'error: pipeline.ts:4: two jobs are named "a"\n' }, { result: { runs: [run], reason: run.reason! } })
  expect(mail.text.match(/two jobs are named/g)).toHaveLength(1)
})

test('a run without an rc is named among several by how it ended', async () => {
  const runs = [failedRun('slow', { verdict: 'timed-out' }), failedRun('crash', { signal: 'SIGSEGV' })]
  delete runs[1]!.code
  const { mail } = await mailOf({ slow: 'x\n', crash: 'y\n' }, { result: { verdict: 'timed-out', runs } })
  expect(mail.text).toContain('-----\nRun slow timed-out:\nx\n\nRun crash failed (SIGSEGV):\ny\n-----')
})

test('of several runs each failing one is named above its output', async () => {
  const runs = [failedRun('lint', { code: 1 }), failedRun('unit', { verdict: 'passed', code: 0 }), failedRun('test [amd64]', { code: 3 })]
  const { mail } = await mailOf({ lint: 'bad style\n', unit: 'fine\n', 'test [amd64]': 'assertion failed\n' }, { result: { runs } })
  expect(mail.text).toContain('rc of 1 and produced')
  expect(mail.text).toContain('-----\nRun lint failed (rc 1):\nbad style\n\nRun test [amd64] failed (rc 3):\nassertion failed\n-----')
  expect(mail.text).not.toContain('fine')
})

test('of very many failed runs ten are shown and the others counted', async () => {
  const runs = Array.from({ length: 25 }, (_, index) => failedRun(`run ${index}`))
  const { mail } = await mailOf({}, { result: { runs } })
  expect(mail.text).toContain('15 more runs failed; their output is in the record of the build, acme~app/7.')
})

test('output of more than a screen is opened by its first error', async () => {
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index}`)
  lines[50] = 'src/a.c:3:5: error: expected expression'
  const { mail } = await mailOf({ build: `${lines.join('\n')}\n` })
  expect(mail.text).toContain('-----\n[The first error, in line 51 of the output (src/a.c:3):]\nsrc/a.c:3:5: error: expected expression\nline 51\n')
  expect(mail.text).toContain('\n[The whole output:]\nline 0\n')
  expect(mail.attachments).toEqual([])
})

test('over 64 KiB of output: first error, what is left out, the end, and the whole log gzipped', async () => {
  const log = `src/a.c:3:5: error: expected expression\n${'filler line\n'.repeat(20_000)}the very end\n`
  const { mail, directory } = await mailOf({ build: log })
  expect(mail.text).toContain('[The first error, in line 1 of the output (src/a.c:3):]\nsrc/a.c:3:5: error')
  expect(mail.text).toMatch(/\n\[\d+ of 240053 bytes of output are left out here\. The whole log is attached\. Its end:\]\nfiller line\n/)
  expect(mail.text).toMatch(/filler line\nthe very end\n-----/)
  expect(mail.text.length).toBeLessThan(70 * 1024)
  expect(mail.attachments).toEqual([{ filename: 'console.log.gz', path: expect.stringMatching(/^reports\/log-\w+\.gz$/), content_type: 'application/gzip' }])
  expect(gunzipSync(readFileSync(join(directory, mail.attachments![0]!.path))).toString()).toBe(log)
})

test('where the log names no error, the test results among the artifacts do', async () => {
  const { mail } = await mailOf({ build: `${'working\n'.repeat(200)}make: *** [Makefile:3: test] Error 1\n` }, {}, {}, { 'build/artifacts/junit.xml': '<testsuite><testcase name="adds"><failure message="expected 3"/></testcase></testsuite>' })
  expect(mail.text).toContain('-----\n[The first error, in line 1 of junit.xml:]\nadds\nexpected 3\n\n[The whole output:]\nworking\n')
})

test('exactly 64 KiB of output is shown whole', async () => {
  const log = `${'x'.repeat(63)}\n`.repeat(1024)
  const { mail } = await mailOf({ build: log })
  expect(mail.text.match(/^x{63}$/gm)).toHaveLength(1024)
  const more = await mailOf({ build: `${log}y` })
  expect(more.mail.text).toContain('left out')
})

test('a log that is over 5 MB gzipped is not attached, and the mail says so', async () => {
  const { mail } = await mailOf({ build: randomBytes(6 * 1024 * 1024) })
  expect(mail.attachments).toEqual([])
  expect(mail.text).toContain('The whole log is too large to attach: it is in the record of the build.')
})

test('colours, control characters and other encodings become readable', async () => {
  const { mail } = await mailOf({ build: Buffer.concat([Buffer.from('\x1b[31mred\x1b[0m\x07 \u202ereverse\n'), Buffer.from('gr\xfcn\n', 'latin1'), Buffer.from('50%\r100%\n')]) })
  expect(mail.text).toContain('-----\nred\ufffd \ufffdreverse\ngrün\n100%\n-----')
})

test('a log in UTF-16 is read', async () => {
  const { mail } = await mailOf({ build: Buffer.from('\ufefferror CS1002: ; expected é\r\nend\r\n', 'utf16le') })
  expect(mail.text).toContain('error CS1002: ; expected é\nend\n-----')
})

test('names with line breaks add no line, to the subject as to the text', async () => {
  const { mail } = await mailOf({ build: 'x\n' }, { request: { committer_name: 'Eve\r\nBcc: victim@example.org\r\n\r\n\x1b[31mred' }, result: { ref: 'refs/heads/\u202etxt' } })
  expect(mail.text.split('\n')[0]).toBe('Greetings and salutations Eve Bcc: victim@example.org red!')
  expect(mail.subject).not.toMatch(/[\r\n]/)
})

test('the Message-ID is one per build and receiver', async () => {
  const [first, again, other, admin] = await Promise.all([
    mailOf({ build: 'x' }),
    mailOf({ build: 'different' }),
    mailOf({ build: 'x' }, { result: { number: 8 } }),
    mailOf({ build: 'x' }, { request: { committer_email: 'bob@example.org' } }),
  ])
  expect(first.mail.message_id).toMatch(/^[0-9a-f]{40}@ci\.example\.org$/)
  expect(again.mail.message_id).toBe(first.mail.message_id)
  expect(new Set([first, other, admin].map(({ mail }) => mail.message_id)).size).toBe(3)
})

test('a build that passed makes no mail', async () => {
  const { result, request } = failedBuild({ result: { verdict: 'passed' } })
  expect(await failureMails({ result, request, directory: '/nowhere' }, settings)).toEqual({ mails: [], why: 'passed: nobody is mailed', output: undefined })
})

test('a failed build of an untrusted request mails nobody, but its output is there for the log', async () => {
  const { result, request } = failedBuild({ request: { source: 'github', trusted: false } })
  expect(await failureMails({ result, request, directory: '/nowhere' }, settings)).toMatchObject({ mails: [], output: '(no output)' })
})

test('a log that cannot be read is named, and the verdict is mailed all the same', async () => {
  const directory = tempDir()
  mkdirSync(join(directory, 'runs/build/console.log'), { recursive: true })
  const { mails } = await failureMails({ ...failedBuild(), directory }, settings)
  expect(mails[0]!.text).toMatch(/\[reading .*console\.log failed: .*expected a regular file/)
})

async function mailOf(logs: Record<string, string | Uint8Array>, change: Parameters<typeof failedBuild>[0] = {}, further: Partial<typeof settings> = {}, files: Record<string, string> = {}): Promise<{ mail: Mail; directory: string }> {
  const directory = tempDir()
  for (const [run, log] of Object.entries(logs)) {
    const path = join(directory, 'runs', directoryName(run), 'console.log')
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, log)
  }
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, 'runs', name)), { recursive: true })
    writeFileSync(join(directory, 'runs', name), content)
  }
  const { mails } = await failureMails({ ...failedBuild(change), directory }, { ...settings, ...further })
  expect(mails).toHaveLength(1)
  return { mail: mails[0]!, directory }
}
