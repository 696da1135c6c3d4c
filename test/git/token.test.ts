import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { checkOut } from '../../src/git/check-out.ts'
import { cloneToken } from '../../src/git/clone-token.ts'
import { gitWords } from '../../src/git/git-error.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { gitHttp } from '../helpers/git-http.ts'
import { gitRepo, type GitRepo } from '../helpers/git-repo.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const env = gitWorld(process.env)
const token = 'not-a-real-token-123'

test('a private repository is cloned by the token, which stands in no file', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const server = await gitHttp(dirname(repo.path), { password: token })
  const directory = tempDir()
  const mirrors = openMirrors(directory, { env })
  const mirror = await mirrors.fetchMirror(addressOf(server.url, repo), { commit, token })
  await checkOut({ mirrors, mirror, commit, directory: join(directory, 'tree'), trusted: true, token })
  expect(server.credentials).toContain(`x-access-token:${token}`)
  const grep = execFileSync('sh', ['-c', 'grep -r "$0" . || true', token], { cwd: directory, encoding: 'utf8' })
  expect(grep).toBe('')
})

test('credentials in the address are taken out of it', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const server = await gitHttp(dirname(repo.path), { password: token })
  const address = addressOf(server.url, repo).replace('//', `//me:${token}@`)
  const directory = tempDir()
  const mirror = await openMirrors(directory, { env }).fetchMirror(address, { commit })
  expect(mirror.url).toBe(addressOf(server.url, repo))
  expect(server.credentials).toContain(`me:${token}`)
  expect(readFileSync(join(mirror.directory, 'config'), 'utf8')).not.toContain(token)
})

test('a wrong or missing token is an error in git\'s words that does not repeat it, and asks nobody', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const server = await gitHttp(dirname(repo.path), { password: 'another' })
  const mirrors = openMirrors(tempDir(), { env })
  const address = addressOf(server.url, repo)
  await expect(mirrors.fetchMirror(address, { token })).rejects.toThrow(/^cloning http:.*Authentication failed/)
  await expect(mirrors.fetchMirror(address, { token })).rejects.not.toThrow(token)
  await expect(mirrors.fetchMirror(address)).rejects.toThrow(/could not read Username|terminal prompts disabled/)
})

test('a mirror stays although its server lets nobody in any more, as it does where a repository is made private or goes', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const server = await gitHttp(dirname(repo.path), { password: token })
  const mirrors = openMirrors(tempDir(), { env })
  const mirror = await mirrors.fetchMirror(addressOf(server.url, repo), { commit, token })
  await expect(mirrors.fetchMirror(addressOf(server.url, repo))).rejects.toThrow(/terminal prompts disabled/)
  expect(await mirror.hasCommit(commit)).toBe(true)
})

test('a server that redirects elsewhere does not carry the token along', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const elsewhere = await gitHttp(dirname(repo.path), { password: token })
  const server = await gitHttp(dirname(repo.path), { redirect: elsewhere.url })
  await expect(openMirrors(tempDir(), { env }).fetchMirror(addressOf(server.url, repo), { token })).rejects.toThrow()
  expect(elsewhere.credentials.filter((sent) => sent !== undefined)).toEqual([])
})

test('a submodule on the same server is fetched by the token, for an untrusted request without it', async () => {
  const inner = gitRepo()
  const innerCommit = inner.commit({ 'inner.txt': 'x' })
  const repo = gitRepo()
  const server = await gitHttp(dirname(repo.path), { password: token })
  repo.commit({ '.gitmodules': `[submodule "m"]\n\tpath = m\n\turl = ../${basename(inner.path)}/.git\n` })
  repo.git('update-index', '--add', '--cacheinfo', `160000,${innerCommit},m`)
  repo.git('commit', '--quiet', '--message', 'Add m')
  const commit = repo.git('rev-parse', 'HEAD')
  const mirrors = openMirrors(tempDir(), { env })
  const mirror = await mirrors.fetchMirror(`${server.url}/${basename(repo.path)}/`, { commit, token })
  const trusted = join(tempDir(), 'trusted')
  await checkOut({ mirrors, mirror, commit, directory: trusted, trusted: true, token })
  expect(readdirSync(join(trusted, 'm'))).toContain('inner.txt')
  // Although its mirror is there now.
  const untrusted = join(tempDir(), 'untrusted')
  await expect(checkOut({ mirrors, mirror, commit, directory: untrusted, trusted: false, token })).rejects.toThrow(/submodule m of .*without credentials/)
  expect(readdirSync(join(untrusted, 'm'))).toEqual([])
})

test('what git says is repeated readable, without the token, credentials in addresses, or progress', () => {
  const said = `Cloning into 'x'...\nfatal: \u001b[31munable\u001b[0m to access 'https://me:pw@h.example/${token}/'\nremote: ${'long '.repeat(500)}end\n`
  const words = gitWords(said, token)
  expect(words).toMatch(/^fatal: unable to access 'https:\/\/\*\*\*@h\.example\/\*\*\*\/'; remote: long .*end$/)
  expect(words.length).toBeLessThan(600)
})

test('the token is for its own host over https alone', () => {
  const settings = { token, host: 'GitHub.com' }
  expect(cloneToken('https://github.com/o/app.git', settings)).toBe(token)
  expect(cloneToken('https://github.com.evil.example/o/app.git', settings)).toBeUndefined()
  expect(cloneToken('https://github.com@evil.example/o/app.git', settings)).toBeUndefined()
  expect(cloneToken('http://github.com/o/app.git', settings)).toBeUndefined()
  expect(cloneToken('git@github.com:o/app.git', settings)).toBeUndefined()
})

function addressOf(server: string, repo: GitRepo): string {
  return `${server}/${basename(repo.path)}/.git`
}
