import { basename, dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exitOf, until } from '../helpers/a-home.ts'
import { aServer } from '../helpers/a-server.ts'
import { gitHttp } from '../helpers/git-http.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { payload } from '../helpers/receiver.ts'
import { canMount } from '../helpers/small-disk.ts'
import { smtpListener } from '../helpers/smtp.ts'
import { buildWithout } from '../helpers/without-programs.ts'

/** What a stranger may try; each success is told by a word in capitals. */
const redTeam = `pushd "$REPOSITORY"
echo "hello says $(cat hello.txt)"
for path in "$QUERN_TEST_HOME"/{environment.sh,secrets.yml,queue,builds,logs,cache/git} ~/.bashrc ~/.ssh; do [ ! -e "$path" ] || echo "SEES $path"; done
! (exec 3<>"/dev/tcp/127.0.0.1/$QUERN_TEST_PORT") || echo "REACHED the mail server"
! grep -v -e lo: -e '|' /proc/net/dev || echo "HAS a network"
! git --git-dir "$CLONE_URL" update-ref refs/heads/main "$COMMIT_ID" || echo "WROTE to the mirror"
! touch "$CLONE_URL/x" || echo "WROTE to the mirror"
env
exit 3
`

const build = 'Codertocat~Hello-World/1'

describe.skipIf(!isInstalled('bwrap', 'apt-get install bubblewrap'))("a fork's pull request", () => {
  test('builds in the sandbox: without network, secrets and home, from a mirror that it can only read; it distributes nothing and mails nobody', async () => {
    const smtp = await smtpListener()
    const server = await aServer({
      shipped: true,
      chunks: {
        build_packages: redTeam,
        distribute_head: 'echo DISTRIBUTED\n',
        distribute_main: 'echo DISTRIBUTED\n',
      },
      settings: { SMTP_URL: smtp.url, MAIL_ADMIN: 'admin@example.org', CLONE_TOKEN: 'not-a-real-token', CLONE_TOKEN_HOST: '127.0.0.1', BUILD_ENV: 'QUERN_TEST_HOME QUERN_TEST_PORT', QUERN_TEST_PORT: String(smtp.port) },
    })
    server.set('QUERN_TEST_HOME', server.home)
    server.write({ 'secrets.yml': '- NAME: not-a-real-secret-value\n' })
    const { body } = await aPullRequest({ 'hello.txt': 'good day\n' }, 'Say good day')
    const receiver = await server.serve()
    expect(await receiver.deliver(body, { event: 'pull_request' })).toMatchObject({ status: 202 })
    expect(await server.ended(build)).toBe('FAILED')
    await server.idle()

    const console = server.console(build)
    expect(console).toContain('hello says good day\n')
    expect(console).not.toMatch(/^(SEES|REACHED|HAS|WROTE|DISTRIBUTED)/m)
    expect(console).not.toMatch(/not-a-real|SMTP_URL|^SECRET=|TOKEN/m)
    expect(console).toMatch(/^PULL_REQUEST=2$/m)
    expect(console).toMatch(/^COMMITTER_EMAIL=carl@example\.org$/m)
    expect(JSON.parse(server.read(`builds/${build}/plan.json`))).toMatchObject({ runs: [{ executor: 'sandbox', network: false, secrets: [] }] })
    expect(JSON.parse(server.read(`builds/${build}/request.json`))).toMatchObject({ trusted: false, committer_name: 'Carl Committer', author_name: 'Ada Author', message: 'Say good day' })
    expect(smtp.taken).toEqual([])
  })

  test('whose commit says [skip ci] is skipped, and one from the repository itself is built by its push', async () => {
    const server = await aServer()
    const { body } = await aPullRequest({ 'hello.txt': 'hush\n' }, 'Say nothing [skip ci]')
    const receiver = await server.serve()
    await receiver.deliver(body, { event: 'pull_request' })
    expect(await server.ended(build)).toBe('SKIPPED')
    expect(server.result(build).reason).toContain('[skip ci]')
    body.pull_request.head.repo.id = body.pull_request.base.repo.id
    expect(await receiver.deliver(body, { event: 'pull_request' })).toMatchObject({ status: 200, body: { result: 'ignored', reason: 'built by push' } })
    await server.idle()
    expect(server.list('builds/Codertocat~Hello-World')).toEqual(['1'])
  })

  test('that is pushed to again and again has only its newest commit built, so that others get their turn', async () => {
    const server = await aServer({ chunks: { build_packages: 'grep best "$REPOSITORY/hello.txt" || sleep 600\n' }, shipped: true, settings: { BUILD_ON_PUSH: '0' } })
    const { body, push } = await aPullRequest({ 'hello.txt': 'good day\n' }, 'Say good day')
    const receiver = await server.serve()
    await receiver.deliver(body, { event: 'pull_request' })
    const builder = server.startBuilder()
    await until('the first build runs', () => server.list(`builds/${build}/runs`).length > 0)
    for (const text of ['good', 'better', 'best']) await receiver.deliver(push(text), { event: 'pull_request' })
    expect(await exitOf(builder)).toBe(0)
    const results = server.list('builds/Codertocat~Hello-World').map((number) => server.result(`Codertocat~Hello-World/${number}`))
    expect(results.map(({ verdict }) => verdict)).toEqual(['cancelled', 'cancelled', 'cancelled', 'passed'])
    expect(results[0]!.reason).toContain('superseded by')
  })

  test.skipIf(process.getuid?.() === 0 && !isInstalled('slirp4netns', 'apt-get install slirp4netns'))("that this server grants the network has one, which does not reach this host's loopback", async () => {
    const smtp = await smtpListener()
    const server = await aServer({
      shipped: true,
      chunks: { build_packages: 'grep -v -e lo: -e "|" /proc/net/dev\nfor address in 127.0.0.1 10.0.2.2; do\n  ! (exec 3<>"/dev/tcp/$address/$QUERN_TEST_PORT") || echo "REACHED the mail server by $address"\ndone\n' },
      settings: { BUILD_ENV: 'QUERN_TEST_PORT', QUERN_TEST_PORT: String(smtp.port) },
    })
    server.write({ 'quern.yaml': 'grants: {untrusted_network: ["Codertocat/*"]}\n' })
    const { body } = await aPullRequest({ 'hello.txt': 'good day\n' }, 'Say good day')
    const receiver = await server.serve()
    await receiver.deliver(body, { event: 'pull_request' })
    await server.ended(build)
    const { verdict, reason } = server.result(build)
    expect({ verdict, reason }).toEqual({ verdict: 'passed' })
    expect(server.console(build)).not.toMatch(/^REACHED/m)
    expect(smtp.connections()).toBe(0)
  })

  test("gets a job definition's script and no more: no shell of this host, no secret, no network, nobody mailed", async () => {
    const smtp = await smtpListener()
    const server = await aServer({ settings: { SMTP_URL: smtp.url } })
    server.write({
      'job-defs/check.yml': 'executor: shell\nsecrets: [DEPLOY_KEY]\nnotify: [{type: email, users: [team@example.org]}]\nscript: |\n  cat hello.txt\n  env | grep DEPLOY_KEY && echo HAS the secret\n  grep -v -e lo: -e "|" /proc/net/dev && echo HAS a network\n  exit 1\n',
      'secrets.yml': '- DEPLOY_KEY: not-a-real-deploy-key\n',
      'quern.yaml': 'hooks: [{id: amp_main, secret_env: SECRET, pipeline: "job:check"}]\n',
    })
    const { body } = await aPullRequest({ 'hello.txt': 'good day\n' }, 'Say good day')
    const receiver = await server.serve()
    await receiver.deliver(body, { event: 'pull_request' })
    expect(await server.ended('check/1')).toBe('FAILED')
    await server.idle()
    expect(server.console('check/1', 'check')).toBe('good day\n')
    expect(smtp.taken).toEqual([])
  })
})

test.skipIf(!canMount)('where bubblewrap is missing, a pull request is errored with the package to install, and nothing of it runs', async () => {
  const server = await aServer({ chunks: { build_packages: 'echo RAN\n' }, settings: { BUILD_ON_PUSH: '0' } })
  const { body } = await aPullRequest({ 'hello.txt': 'good day\n' }, 'Say good day')
  const receiver = await server.serve()
  await receiver.deliver(body, { event: 'pull_request' })
  await buildWithout(['bwrap'], server.home)
  expect(server.result(build)).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('apt-get install bubblewrap') })
  expect(server.console(build)).not.toContain('RAN')
})

/** A pull request as GitHub tells of it, from a server of git that has its head under refs/pull/2/head. */
async function aPullRequest(files: Record<string, string>, message: string) {
  const repo = gitRepo()
  const base = repo.commit({ 'hello.txt': 'hello\n' })
  const commit = repo.commit(files, message)
  repo.git('update-ref', 'refs/pull/2/head', commit)
  repo.git('reset', '--quiet', '--hard', base)
  const { url } = await gitHttp(dirname(repo.path))
  const body = payload('pull-request-opened', ({ repository, pull_request: { head, base: target } }) => {
    repository.clone_url = `${url}/${basename(repo.path)}/.git`
    Object.assign(target, { ref: 'main', sha: base })
    head.sha = commit
    head.repo.id = target.repo.id + 1
  })
  /** As after another push to it. */
  const push = (text: string) => {
    repo.git('checkout', '--quiet', '--detach')
    const sha = repo.commit({ 'hello.txt': text })
    repo.git('update-ref', 'refs/pull/2/head', sha)
    return { ...body, action: 'synchronize', pull_request: { ...body.pull_request, head: { ...body.pull_request.head, sha } } }
  }
  return { body, commit, push }
}
