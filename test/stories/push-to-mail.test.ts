import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitOf, until } from '../helpers/a-home.ts'
import { aPush } from '../helpers/a-push.ts'
import { aServer } from '../helpers/a-server.ts'
import { freePort } from '../helpers/free-port.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { payload } from '../helpers/receiver.ts'
import { smtpListener } from '../helpers/smtp.ts'

const gate = 'touch "$QUERN_TEST_GATE.reached"; while ! [ -e "$QUERN_TEST_GATE" ]; do sleep 0.05; done\n'

test('a push that breaks the build is mailed to its committer, in these words; one that builds, to nobody', async () => {
  const smtp = await smtpListener()
  const server = await aServer({ shipped: true, settings: { SMTP_URL: smtp.url, MAIL_FROM: 'ci@example.org' } })
  const repo = gitRepo()
  repo.commit({ Makefile: 'all:\n\t@echo two and two is 4\n' }, 'Add two and two')
  const receiver = await server.serve()
  expect(await receiver.deliver(aPush(repo))).toMatchObject({ status: 202, body: { result: 'queued' } })
  expect(await server.ended('Codertocat~Hello-World/1')).toBe('PASSED')
  expect(server.console('Codertocat~Hello-World/1')).toContain('\ntwo and two is 4\n')

  const commit = repo.commit({ Makefile: 'all:\n\t@echo two and two is 5; exit 7\n' }, 'Improve arithmetic')
  const push = aPush(repo)
  const accepted = await receiver.deliver(push, { id: 'second' })
  expect(await server.ended('Codertocat~Hello-World/2')).toBe('FAILED')
  await until('the mail is out', () => smtp.taken.length > 0)
  const output = server.console('Codertocat~Hello-World/2')
  expect(output).toContain('\ntwo and two is 5\n')
  expect(smtp.taken).toHaveLength(1)
  expect(smtp.taken[0]).toMatchObject({ from: 'ci@example.org', to: ['carl@example.org'], email: { subject: `Quern build failed for Hello-World/${commit}` } })
  expect(smtp.taken[0]!.text.trimEnd()).toBe(`Greetings and salutations Carl Committer!

Hopefully this email finds you well.

The build for Hello-World commit ${commit} in the branch refs/heads/main has failed.

The script returned an rc of 2 and produced the following output:
----------------------------------
${output.trimEnd()}
----------------------------------

Sorry about that.

With warmest regards,
Quern CI`)

  expect(await receiver.stop()).toBe(0)
  const again = await server.serve()
  expect(await again.deliver(push, { id: 'second' })).toMatchObject({ status: 200, body: { result: 'duplicate', entry: accepted.body.entry } })
  await server.idle()
  expect(server.list('builds/Codertocat~Hello-World')).toEqual(['1', '2'])
  expect(smtp.taken).toHaveLength(1)
})

// GitHub makes the first of a name in another alphabet.
test.each(['-', '-n'])('a repository by the name %s is built and shown like any other', async (name) => {
  const server = await aServer({ shipped: true })
  const repo = gitRepo()
  repo.commit({ Makefile: 'all:\n\t@echo two and two is 4\n' }, 'Add two and two')
  const push = aPush(repo)
  const receiver = await server.serve()
  expect(await receiver.deliver({ ...push, repository: { ...push.repository, name, full_name: `Codertocat/${name}` } })).toMatchObject({ status: 202 })
  expect(await server.ended(`Codertocat~${name}/1`)).toBe('PASSED')
  expect(server.console(`Codertocat~${name}/1`)).toContain('\ntwo and two is 4\n')
  expect(await server.quern('show', `Codertocat~${name}/1`)).toMatchObject({ code: 0, stdout: expect.stringContaining('PASSED') })
})

test('what this server has done wrong is told to its administrator and not to the committer', async () => {
  const smtp = await smtpListener()
  const server = await aServer({ settings: { SMTP_URL: smtp.url, MAIL_ADMIN: 'admin@example.org', CLONE_BASE: '' } })
  const receiver = await server.serve()
  await receiver.deliver(payload('push', (body) => delete body.repository.clone_url))
  expect(await server.ended('Codertocat~Hello-World/1')).toBe('ERRORED')
  expect(server.result('Codertocat~Hello-World/1').reason).toContain('CLONE_BASE is not set')
  await until('the mail is out', () => smtp.taken.length > 0)
  expect(smtp.taken.map(({ to }) => to)).toEqual([['admin@example.org']])
  expect(smtp.taken[0]!.text).toContain('CLONE_BASE is not set')
})

test('a mail that found no server goes out with a later tick, also while a long build holds the lock', async () => {
  const port = await freePort()
  const server = await aServer({ chunks: { build_packages: `case $COMMIT_ID in 1*) exit 1 ;; esac\n${gate}` }, settings: { SMTP_URL: `smtp://127.0.0.1:${port}`, BUILD_ENV: 'QUERN_TEST_GATE' } })
  const opened = join(server.home, 'gate')
  server.drop({ commit_id: '1'.repeat(40) })
  await server.build()
  const [waiting] = server.list('outbox').filter((name) => name !== 'dead')
  expect(Number.parseInt(waiting!, 10)).toBeGreaterThan(Date.now() / 1000)
  // A minute passes.
  renameSync(join(server.home, 'outbox', waiting!), join(server.home, 'outbox', waiting!.replace(/^\d+/, '1700000000')))

  server.drop({ commit_id: '2'.repeat(40) })
  const long = server.startBuilder([], { QUERN_TEST_GATE: opened })
  await until('the long build runs', () => existsSync(`${opened}.reached`))
  const smtp = await smtpListener({ port })
  expect((await server.build()).code).toBe(0)
  expect(smtp.taken.map(({ to }) => to)).toEqual([['ada@example.org']])
  expect(server.status('app/2')).toBe('RUNNING')
  expect(server.list('builds/app/1/sent')).toHaveLength(1)
  writeFileSync(opened, '')
  expect(await exitOf(long)).toBe(0)
  expect(smtp.taken).toHaveLength(1)
})

test('stopping the receiver stops no build', async () => {
  const server = await aServer({ chunks: { build_packages: gate }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
  const opened = join(server.home, 'gate')
  server.set('QUERN_TEST_GATE', opened)
  const receiver = await server.serve()
  await receiver.deliver(payload('push'))
  await until('the build runs', () => existsSync(`${opened}.reached`))
  expect(await receiver.stop()).toBe(0)
  expect(server.status('Codertocat~Hello-World/1')).toBe('RUNNING')
  writeFileSync(opened, '')
  expect(await server.ended('Codertocat~Hello-World/1')).toBe('PASSED')
})

test('two receivers on one home that get the same delivery at once make one build of it', async () => {
  const server = await aServer({ chunks: { build_packages: 'echo built >> "$QUERN_TEST_GATE"\n' }, settings: { BUILD_ENV: 'QUERN_TEST_GATE' } })
  server.set('QUERN_TEST_GATE', join(server.home, 'count'))
  const one = await server.serve()
  server.set('PORT', String(await freePort()))
  const other = await server.serve()
  const answers = await Promise.all([one, other, one, other].map((receiver) => receiver.deliver(payload('push'), { id: 'twice' })))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 202])
  expect(new Set(answers.map(({ body }) => body.entry)).size).toBe(1)
  expect(await server.ended('Codertocat~Hello-World/1')).toBe('PASSED')
  await server.idle()
  expect(server.read('count')).toBe('built\n')
  expect(server.list('builds/Codertocat~Hello-World')).toEqual(['1'])
})
