import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CheckoutError, GitError } from '../../src/git/git-error.ts'
import { suspect } from '../../src/git/mark-mirror.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { canTrace } from '../helpers/can-trace.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const env = gitWorld(process.env)

test('a mirror is made once and brought up to date by later calls', async () => {
  const repo = gitRepo()
  const first = repo.commit({ 'a.txt': 'one' })
  const directory = tempDir()
  const mirrors = openMirrors(directory, { env, localPaths: true })
  expect(await (await mirrors.fetchMirror(repo.path, { commit: first })).hasCommit(first)).toBe(true)
  const second = repo.commit({ 'a.txt': 'two' })
  const mirror = await mirrors.fetchMirror(repo.path, { commit: second })
  expect(await mirror.hasCommit(second)).toBe(true)
  expect(await mirror.hasCommit('f'.repeat(40))).toBe(false)
  expect(readdirSync(directory).filter((name) => name.includes('~') && !name.endsWith('.lock'))).toHaveLength(1)
})

test('a repository whose path has blanks is fetched from', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const path = join(tempDir(), 'my flour mill')
  renameSync(repo.path, path)
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  expect(await (await mirrors.fetchMirror(path, { commit })).hasCommit(commit)).toBe(true)
  await expect(mirrors.fetchMirror('https://localhost:9/my mill', { commit })).rejects.toThrow('expected a URL that git can clone')
})

test('no server is asked where the ref is there and points to the commit already', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const wanted = { commit, refs: ['refs/heads/main'] }
  await mirrors.fetchMirror(repo.path, wanted)
  renameSync(join(repo.path, '.git'), join(repo.path, 'gone'))
  expect(await (await mirrors.fetchMirror(repo.path, wanted)).resolve('main')).toBe(commit)
  await expect(mirrors.fetchMirror(repo.path, { commit })).rejects.toThrow(GitError)
})

test('a deleted branch goes from the mirror, and a new tag comes', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  repo.git('branch', 'gone')
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  expect(await (await mirrors.fetchMirror(repo.path)).resolve('gone')).toBe(commit)
  repo.git('branch', '-D', 'gone')
  repo.git('tag', '-a', 'v1', '-m', 'First')
  const mirror = await mirrors.fetchMirror(repo.path)
  expect(await mirror.resolve('gone')).toBeUndefined()
  expect(await mirror.resolve('v1')).toBe(commit)
})

test('the head of a pull request is fetched by its own ref', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  await mirrors.fetchMirror(repo.path)
  repo.git('checkout', '--quiet', '--detach')
  const head = repo.commit({ 'a.txt': 'theirs' })
  repo.git('update-ref', 'refs/pull/7/head', head)
  repo.git('checkout', '--quiet', 'main')
  const mirror = await mirrors.fetchMirror(repo.path, { commit: head, refs: ['refs/pull/7/head'] })
  expect(await mirror.resolve('refs/pull/7/head')).toBe(head)
})

test('a commit that a forced push took away is a checkout error that says so, unless the mirror has seen it', async () => {
  const repo = gitRepo()
  const base = repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const seen = repo.commit({ 'a.txt': 'seen' })
  await mirrors.fetchMirror(repo.path, { commit: seen })
  repo.git('reset', '--quiet', '--hard', base)
  const gone = repo.commit({ 'a.txt': 'gone' })
  repo.git('reset', '--quiet', '--hard', base)
  repo.git('reflog', 'expire', '--expire=now', '--all')
  repo.git('gc', '--quiet', '--prune=now')
  expect(await (await mirrors.fetchMirror(repo.path, { commit: seen })).hasCommit(seen)).toBe(true)
  const missing = mirrors.fetchMirror(repo.path, { commit: gone, refs: ['refs/pull/9/head'] })
  await expect(missing).rejects.toThrow(CheckoutError)
  await expect(missing).rejects.toThrow(/no longer has the commit .* force-pushed/)
})

test('calls at once, from two processes, all end with the commit', async () => {
  const repo = gitRepo()
  const commits = Array.from({ length: 4 }, (_, n) => repo.commit({ 'a.txt': String(n) }))
  const directory = tempDir()
  const one = openMirrors(directory, { env, localPaths: true })
  const other = openMirrors(directory, { env, localPaths: true })
  const mirrors = await Promise.all(commits.flatMap((commit) => [one.fetchMirror(repo.path, { commit }), other.fetchMirror(repo.path, { commit })]))
  expect(await Promise.all(mirrors.map((mirror) => mirror.hasCommit(commits[3]!)))).toEqual(Array(8).fill(true))
})

test('half a clone, stale lock files and an empty object of a killed fetch are mended', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const { directory } = await mirrors.fetchMirror(repo.path)
  for (const file of ['packed-refs.lock', 'refs/heads/main.lock', 'quern-fetching', 'objects/pack/tmp_pack_x']) {
    mkdirSync(join(directory, file, '..'), { recursive: true })
    writeFileSync(join(directory, file), '')
  }
  mkdirSync(`${directory}.clone/objects`, { recursive: true })
  const commit = repo.commit({ 'a.txt': 'two' })
  expect(await (await mirrors.fetchMirror(repo.path, { commit })).resolve('main')).toBe(commit)
  expect(existsSync(join(directory, 'objects/pack/tmp_pack_x'))).toBe(false)
  expect(existsSync(`${directory}.clone`)).toBe(false)
})

test('a mirror whose objects are torn is cloned anew', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const { directory } = await mirrors.fetchMirror(repo.path)
  rmSync(join(directory, 'objects'), { recursive: true })
  mkdirSync(join(directory, 'objects'))
  const commit = repo.commit({ 'a.txt': 'two' })
  expect(await (await mirrors.fetchMirror(repo.path, { commit })).resolve('main')).toBe(commit)
})

test('a mirror whose settings a power cut emptied is cloned anew', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const { directory } = await mirrors.fetchMirror(repo.path)
  writeFileSync(join(directory, 'config'), '[core]\n\trepositoryformatversion = \n')
  const commit = repo.commit({ 'a.txt': 'two' })
  expect(await (await mirrors.fetchMirror(repo.path, { commit })).resolve('main')).toBe(commit)
})

test('a mirror that may be torn is kept where all is there, although its history breaks rules of git', async () => {
  const repo = gitRepo()
  const tip = repo.commit({ 'a.txt': 'one' })
  const old = join(tempDir(), 'commit')
  writeFileSync(old, repo.git('cat-file', 'commit', tip).replace(/ \+0000$/gm, ' +051800').concat('\n'))
  repo.git('reset', '--quiet', '--hard', repo.git('hash-object', '--literally', '-t', 'commit', '-w', old))
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const { directory } = await mirrors.fetchMirror(repo.path)
  writeFileSync(join(directory, 'kept'), '')
  suspect(directory)
  const commit = repo.commit({ 'a.txt': 'two' })
  await mirrors.fetchMirror(repo.path, { commit })
  expect(existsSync(join(directory, 'kept'))).toBe(true)
})

test('objects and refs that git fetches are flushed to disk (needs strace: apt-get install strace)', { skip: !canTrace() }, async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const directory = tempDir()
  const trace = join(tempDir(), 'trace')
  const fetched = (commit: string) => execFileSync('strace', ['-f', '--seccomp-bpf', '-qq', '-y', '-e', 'trace=fsync', '-o', trace, process.execPath, join('node_modules/.bin/jiti'), 'test/helpers/fetch-child.ts', directory, repo.path, commit])
  fetched(repo.git('rev-parse', 'HEAD'))
  expect(readFileSync(trace, 'utf8')).toMatch(/fsync\(\d+<[^>]*\.clone\/config>/)
  const commit = repo.commit({ 'a.txt': 'two' })
  fetched(commit)
  const flushed = readFileSync(trace, 'utf8')
  expect(flushed.match(/fsync\(\d+<[^>]*\/objects\/[^>]*tmp_obj_/g)).toHaveLength(3)
  expect(flushed).toMatch(/fsync\(\d+<[^>]*\/refs\/heads\/main\.lock>/)
})

test('a mirror stays although the objects of its server are torn', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const mirror = await mirrors.fetchMirror(repo.path)
  repo.commit({ 'a.txt': 'two' })
  const tree = repo.git('rev-parse', 'HEAD^{tree}')
  const object = join(repo.path, '.git/objects', tree.slice(0, 2), tree.slice(2))
  rmSync(object)
  writeFileSync(object, '')
  await expect(mirrors.fetchMirror(repo.path)).rejects.toThrow(/corrupt/)
  expect(await mirror.hasCommit(commit)).toBe(true)
})

test('where the own branch of a repository is renamed, HEAD of the mirror follows it', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  await mirrors.fetchMirror(repo.path)
  repo.git('branch', '--move', 'main', 'trunk')
  const commit = repo.commit({ 'a.txt': 'two' })
  expect(await (await mirrors.fetchMirror(repo.path)).resolve('HEAD')).toBe(commit)
})

test('a commit tells its people, parents and message', async () => {
  const repo = gitRepo()
  const parent = repo.commit({ 'a.txt': 'one' })
  const sha = repo.commit({ 'b.txt': 'two' }, 'Zweite Änderung\n\nWhy: because')
  const mirror = await openMirrors(tempDir(), { env, localPaths: true }).fetchMirror(repo.path)
  expect(await mirror.readCommit(sha)).toMatchObject({
    sha,
    tree: repo.git('rev-parse', `${sha}^{tree}`),
    parents: [parent],
    author: { name: 'Ada Author', email: 'ada@example.org' },
    committer: { name: 'Carl Committer', email: 'carl@example.org' },
    message: 'Zweite Änderung\n\nWhy: because',
  })
  await expect(mirror.readCommit('e'.repeat(40))).rejects.toThrow(/reading the commit e+: git exited with 128/)
})

test('changed files are those since the common ancestor', async () => {
  const repo = gitRepo()
  const base = repo.commit({ 'a.txt': 'one' })
  const before = repo.commit({ 'rewritten.txt': 'x' })
  repo.git('reset', '--quiet', '--hard', base)
  const after = repo.commit({ 'new name\n.txt': 'x', 'dir/b.txt': 'y' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  repo.git('update-ref', 'refs/heads/old', before)
  const mirror = await mirrors.fetchMirror(repo.path)
  expect(await mirror.changedFiles(before, after)).toEqual(['dir/b.txt', 'new name\n.txt'])
})

test('a file of a commit is read without following links', async () => {
  const repo = gitRepo()
  execFileSync('ln', ['-s', '/etc/passwd', join(repo.path, 'link')])
  const sha = repo.commit({ '.quern/pipeline.ts': 'export default 1\n', '*': 'a star' })
  const mirror = await openMirrors(tempDir(), { env, localPaths: true }).fetchMirror(repo.path)
  expect(await mirror.readFile(sha, '.quern/pipeline.ts')).toBe('export default 1\n')
  expect(await mirror.readFile(sha, '*')).toBe('a star')
  expect(await mirror.readFile(sha, 'link')).toBeUndefined()
  expect(await mirror.readFile(sha, '.quern')).toBeUndefined()
  expect(await mirror.readFile(sha, 'absent')).toBeUndefined()
})

test.each(['ext::sh -c touch% /tmp/x', '--upload-pack=touch /tmp/x', 'ssh://-oProxyCommand=x/y', 'git@-oProxyCommand=x:y', 'fd::17', 'ftp://example.org/x', 'https://example.org/a b'])('the address %j is refused before git sees it', async (url) => {
  await expect(openMirrors(tempDir(), { env, localPaths: true }).fetchMirror(url)).rejects.toThrow(CheckoutError)
})

test('paths of this host are refused unless the settings allow them', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env })
  await expect(mirrors.fetchMirror(repo.path)).rejects.toThrow(/path of this host/)
  await expect(mirrors.fetchMirror(`file://${repo.path}`)).rejects.toThrow(/path of this host/)
})

test('an aborted fetch rejects with the reason and leaves the lock free', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const stop = new AbortController()
  const fetching = mirrors.fetchMirror(repo.path, { commit, signal: stop.signal })
  stop.abort(new Error('the build was cancelled'))
  await expect(fetching).rejects.toThrow('the build was cancelled')
  expect(await (await mirrors.fetchMirror(repo.path, { commit })).hasCommit(commit)).toBe(true)
})

test('the script that answers for the token is its owner\'s alone', () => {
  const directory = tempDir()
  openMirrors(directory, { env })
  expect(statSync(join(directory, 'askpass.sh')).mode & 0o777).toBe(0o700)
})
