import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../helpers/free-port.ts'
import { gitRepo, type GitRepo } from '../helpers/git-repo.ts'
import { receiver, secret } from '../helpers/receiver.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('quern push sends the checked-out branch of a repository without a remote, to be cloned from where it lies', async () => {
  const { hook, queued } = await receiver()
  const repo = gitRepo()
  const first = repo.commit({ a: '1' })
  const second = repo.commit({ a: '2' }, 'Second\n\nwith a body')
  const pushed = await push(repo, hook)
  expect(pushed).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(/^queued \(202\): push of \S+ refs\/heads\/main\nentry \S+\.json\n$/) })
  expect(queued).toMatchObject([
    {
      repository: basename(repo.path),
      ref: 'refs/heads/main',
      commit_id: second,
      before: first,
      clone_url: repo.path,
      committer_name: 'Carl Committer',
      committer_email: 'carl@example.org',
      author_name: 'Ada Author',
      message: 'Second\n\nwith a body',
      trusted: true,
    },
  ])
  expect(queued[0]!.full_name).toBeUndefined()
})

test.each([
  ['https://git.example.org/team/app.git', 'team/app'],
  ['git@git.example.org:team/app.git', 'team/app'],
  ['ssh://git@git.example.org:2222/team/app', 'team/app'],
])('the repository is named as its remote %s', async (remote, fullName) => {
  const { hook, queued } = await receiver()
  const repo = gitRepo()
  repo.commit({ a: '1' })
  repo.git('remote', 'add', 'origin', remote)
  await push(repo, hook)
  expect(queued).toMatchObject([{ repository: 'app', full_name: fullName }])
})

test('the path of the repository may have blanks', async () => {
  const { hook, queued } = await receiver()
  const repo = gitRepo()
  repo.commit({ a: '1' })
  const path = join(tempDir(), 'my flour mill')
  renameSync(repo.path, path)
  expect(await push({ ...repo, path }, hook)).toMatchObject({ code: 0 })
  expect(queued).toMatchObject([{ repository: 'my-flour-mill', clone_url: path }])
})

test('the first commit has none before', async () => {
  const { hook, queued } = await receiver()
  const repo = gitRepo()
  repo.commit({ a: '1' })
  await push(repo, hook)
  expect(queued[0]!.before).toBeUndefined()
})

test('without --to the push goes to the receiver of this home', async () => {
  const { url, queued } = await receiver({ prefix: '/hooks' })
  const repo = gitRepo()
  repo.commit({ a: '1' })
  const settings = `export HOST="0.0.0.0"\nexport PORT="${new URL(url).port}"\nexport URL_PREFIX="/hooks/"\n`
  expect(await runQuern(homeWith(settings), ['push', repo.path])).toMatchObject({ code: 0 })
  expect(queued).toHaveLength(1)
})

test('a refused push is exit code 1, with the reason; --json gives the answer', async () => {
  const { url } = await receiver()
  const repo = gitRepo()
  repo.commit({ a: '1' })
  const home = homeWith('')
  expect(await runQuern(home, ['push', repo.path, '--to', `${url}/webhook/other`])).toMatchObject({ code: 1, stdout: 'refused (404): there is no such hook\n' })
  const { code, stdout } = await runQuern(home, ['push', repo.path, '--json', '--to', `${url}/webhook/other`])
  expect({ code, answer: JSON.parse(stdout) }).toEqual({ code: 1, answer: { status: 404, result: 'refused', reason: 'there is no such hook' } })
})

test('what cannot be pushed ends with exit code 2 and the remedy', { tags: 'long' }, async () => {
  const empty = gitRepo()
  const detached = gitRepo()
  detached.commit({ a: '1' })
  detached.git('checkout', '--quiet', '--detach')
  const home = homeWith(`export HOST="127.0.0.1"\nexport PORT="${await freePort()}"\n`)
  const told = (words: string[]) => runQuern(home, ['push', ...words])
  expect(await told([tempDir()])).toMatchObject({ code: 2, stderr: expect.stringContaining('takes a git repository') })
  expect(await told(['/there/is/none'])).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no directory /there/is/none') })
  expect(await told([empty.path])).toMatchObject({ code: 2, stderr: expect.stringContaining('takes a git repository') })
  expect(await told([detached.path])).toMatchObject({ code: 2, stderr: expect.stringContaining('checked-out branch') })
  detached.git('checkout', '--quiet', 'main')
  expect(await told([detached.path])).toMatchObject({ code: 2, stderr: expect.stringContaining('nothing listens there; start the receiver with start-webhook.sh') })
  expect(await told([detached.path, '--to', 'ci.example.org'])).toMatchObject({ code: 2, stderr: expect.stringContaining('expected a URL') })
  const withoutHook = tempDir()
  mkdirSync(join(withoutHook, 'queue'))
  expect(await runQuern(withoutHook, ['push', detached.path])).toMatchObject({ code: 2, stderr: expect.stringContaining('set SECRET') })
})

function push(repo: GitRepo, hook: string) {
  return runQuern(homeWith(''), ['push', '--to', hook], { cwd: repo.path })
}

function homeWith(settings: string): string {
  const home = tempDir()
  writeFileSync(join(home, 'environment.sh'), `export SECRET="${secret}"\n${settings}`)
  return home
}
