import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../helpers/a-home.ts'
import { aPush } from '../helpers/a-push.ts'
import { aServer } from '../helpers/a-server.ts'
import { aSeriesServer, mailsSince } from '../helpers/a-series-server.ts'
import { wordsOf } from '../helpers/a-site.ts'
import { freePort } from '../helpers/free-port.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'

test('a push can be watched in a browser from its queueing to its first error', async () => {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const server = await aServer({ shipped: true, settings: { PORT: String(port), PUBLIC_URL: address, SMTP_URL: 'smtp://127.0.0.1:9' } })
  const gate = join(server.home, 'gate')
  const repo = gitRepo()
  repo.commit({ Makefile: `all:\n\t@touch ${gate}.reached; while ! [ -e ${gate} ]; do sleep 0.05; done; echo "a.c:3: error: two and two is 5"; exit 7\n` }, 'Improve arithmetic')
  const receiver = await server.serve()
  await receiver.deliver(aPush(repo))
  await until('the build runs', () => existsSync(`${gate}.reached`))
  const build = `${address}/builds/Codertocat~Hello-World/1`
  expect(wordsOf(await (await fetch(build)).text())).toMatch(/running Codertocat~Hello-World\/1 It has not ended\. .* message Improve arithmetic .* build running /)
  writeFileSync(gate, '')
  await server.ended('Codertocat~Hello-World/1')
  await server.idle()
  const text = await (await fetch(build)).text()
  expect(text).toContain('<title>failed: Codertocat~Hello-World/1 – Quern</title>')
  const page = wordsOf(text)
  expect(page).toMatch(/failed Codertocat~Hello-World\/1 .* First error of build \(a\.c:3\) a\.c:3: error: two and two is 5 .* build failed \d:\d\d .* Console log /)
  expect(page).not.toContain('carl@example.org')
  expect((await server.quern('show', 'Codertocat~Hello-World/1')).stdout).toContain(build)
  expect(await (await fetch(`${build}/build/console.log`)).text()).toBe(server.console('Codertocat~Hello-World/1'))
}, 30_000)

test.skipIf(!isInstalled('bwrap', 'apt-get install bubblewrap'))('every link that a series is told of leads to its page, from the first check on', async () => {
  const port = await freePort()
  const repo = gitRepo()
  const start = repo.commit({ 'state.txt': 'fine\n' }, 'Begin')
  repo.commit({ 'state.txt': 'error: new\n' }, 'state: break')
  repo.commit({ 'other.txt': 'new\n' }, 'other: add')
  const mails = mailsSince(repo, start)
  repo.git('reset', '--quiet', '--hard', start)
  const jobs = { make: 'workspace: commit\nscript: cat state.txt; ! grep -q error state.txt\n', test: 'needs: [make]\nscript: "true"\n' }
  const server = await aSeriesServer({ tree: repo.path, jobs, settings: { PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}`, BUILD_ON_PUSH: '0' }, source: { pipelines: ['job:test'], commit_message: ['signed_off_by'] } })
  const { patches } = server.fake.addSeries({ patches: mails })
  await server.serve()
  await server.poll()
  expect(await server.build()).toMatchObject({ code: 0 })
  const checks = patches.flatMap((patch) => server.fake.checks.get(patch) ?? [])
  expect(checks).toHaveLength(10)
  const pages = new Map(await Promise.all(checks.map(async ({ target_url: link }) => [link, await fetch(link!)] as const)))
  expect([...pages.values()].map(({ status }) => status)).toEqual([...pages].map(() => 200))
  const failed = checks.find(({ context, state }) => context === 'make' && state === 'fail')!
  expect(wordsOf(await (await fetch(failed.target_url!)).text())).toMatch(/failed make \[1\/2\] blame new: .* Console log .* error: new/)
  const [, mailed] = /make: (\S+)/.exec(server.smtp.taken[0]!.text)!
  expect(mailed).toBe(failed.target_url)
}, 30_000)
