import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkOut, type CheckoutOptions } from '../../src/git/check-out.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { gitRepo, gitTestEnvironment, type GitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const env = gitWorld(process.env)

async function checkOutOf(repo: GitRepo, commit: string, options: Partial<CheckoutOptions> = {}) {
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const mirror = await mirrors.fetchMirror(repo.path, { commit })
  const directory = join(tempDir(), 'tree')
  const { mounts } = await checkOut({ mirrors, mirror, commit, directory, trusted: true, ...options })
  return { directory, mirror, mounts, git: (...args: string[]) => execFileSync('git', args, { cwd: directory, env: { ...gitTestEnvironment, HOME: directory }, encoding: 'utf8' }).trim() }
}

describe('a checkout', () => {
  test('is the exact commit, detached, with branches and tags as a clone has them', async () => {
    const repo = gitRepo()
    const commit = repo.commit({ 'a.txt': 'one', 'run.sh': '#!/bin/sh\n' })
    repo.git('tag', '-a', 'v1.0', '-m', 'First')
    repo.git('branch', 'feature/x')
    repo.commit({ 'a.txt': 'two' })
    const { directory, git } = await checkOutOf(repo, commit)
    expect(readFileSync(join(directory, 'a.txt'), 'utf8')).toBe('one')
    expect(git('rev-parse', 'HEAD')).toBe(commit)
    expect(git('status', '--porcelain')).toBe('')
    expect(git('describe')).toBe('v1.0')
    expect(git('branch', '-r', '--format=%(refname:short)').split('\n')).toEqual(['origin/feature/x', 'origin/main'])
    expect(git('remote', 'get-url', 'origin')).toBe(repo.path)
    git('fsck')
    git('fetch', '--quiet', 'origin')
  })

  test('of a SHA-256 repository works too', async () => {
    const repo = gitRepo(['--object-format=sha256'])
    const commit = repo.commit({ 'a.txt': 'one' })
    expect((await checkOutOf(repo, commit)).git('rev-parse', 'HEAD')).toBe(commit)
  })

  test('lets a job that rewrites its objects leave the mirror alone', async () => {
    const repo = gitRepo()
    const commit = repo.commit({ 'a.txt': 'one' })
    const { directory, mirror, git } = await checkOutOf(repo, commit)
    for (const file of filesUnder(join(directory, '.git'))) expect(statSync(file).nlink).toBe(1)
    git('gc', '--quiet', '--prune=now')
    execFileSync('sh', ['-c', 'chmod -R u+w .git/objects; find .git/objects -type f -exec sh -c \'echo x > "$1"\' _ {} ";"'], { cwd: directory })
    await expect(mirror.git(['fsck', '--full'], { doing: 'checking the mirror' })).resolves.toBeDefined()
  })
})

test('a checkout names the directory that it borrows its history from, which may be copied', async () => {
  const repo = gitRepo()
  const { mirror, mounts } = await checkOutOf(repo, repo.commit({ 'a.txt': 'one' }))
  const objects = join(mirror.directory, 'objects')
  expect(mounts).toEqual([{ from: objects, to: objects, readonly: true, portable: true }])
})

test('a commit that no branch leads to any more is checked out', async () => {
  const repo = gitRepo()
  const base = repo.commit({ 'a.txt': 'one' })
  const commit = repo.commit({ 'a.txt': 'two' })
  repo.git('reset', '--quiet', '--hard', base)
  repo.git('config', 'uploadpack.allowAnySHA1InWant', 'true')
  expect((await checkOutOf(repo, commit)).git('rev-parse', 'HEAD')).toBe(commit)
})

test('a directory that holds something is refused', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const directory = tempDir()
  writeFileSync(join(directory, 'planted'), '')
  await expect(checkOutOf(repo, commit, { directory })).rejects.toThrow(/expected an empty directory/)
})

describe('submodules', () => {
  test('are checked out at their commits, relative addresses and nesting included', async () => {
    const inner = gitRepo()
    const innerCommit = inner.commit({ 'inner.txt': 'inner' })
    const middle = gitRepo()
    addSubmodule(middle, 'deep/inner', `../${inner.path.split('/').pop()}`, innerCommit)
    const middleCommit = middle.commit({ 'middle.txt': 'middle' })
    const outer = gitRepo()
    addSubmodule(outer, 'mods/middle', middle.path, middleCommit)
    middle.commit({ 'middle.txt': 'newer' })
    const commit = outer.commit({ 'outer.txt': 'outer' })
    const { directory, git, mounts } = await checkOutOf(outer, commit)
    expect(readFileSync(join(directory, 'mods/middle/middle.txt'), 'utf8')).toBe('middle')
    expect(readFileSync(join(directory, 'mods/middle/deep/inner/inner.txt'), 'utf8')).toBe('inner')
    expect(git('status', '--porcelain')).toBe('')
    expect(mounts).toHaveLength(3)
  })

  test.each(['ext::sh -c touch% pwned', '--upload-pack=x', 'ssh://-oProxyCommand=x/y', 'ftp://example.org/x', '../../../../../../../../x'])('an address like %j is refused, naming the submodule', async (url) => {
    const repo = gitRepo()
    addSubmodule(repo, 'mod', url, repo.commit({ 'a.txt': 'one' }))
    const commit = repo.commit({ 'b.txt': 'two' })
    await expect(checkOutOf(repo, commit)).rejects.toThrow(/submodule mod of/)
  })

  test('from paths of this host are refused where the repository came over https', async () => {
    const repo = gitRepo()
    addSubmodule(repo, 'mod', '/etc', repo.commit({ 'a.txt': 'one' }))
    const commit = repo.commit({ 'b.txt': 'two' })
    const mirrors = openMirrors(tempDir(), { env, localPaths: true })
    const mirror = { ...(await mirrors.fetchMirror(repo.path, { commit })), protocols: ['https'] }
    await expect(checkOut({ mirrors, mirror, commit, directory: join(tempDir(), 't'), trusted: true })).rejects.toThrow(/expected its address to be https or ssh/)
  })

  test('of an untrusted request come only from where the default branch has some', async () => {
    const known = gitRepo()
    const knownCommit = known.commit({ 'known.txt': 'known' })
    const other = gitRepo()
    const otherCommit = other.commit({ 'other.txt': 'other' })
    const repo = gitRepo()
    addSubmodule(repo, 'known', known.path, knownCommit)
    const good = repo.commit({ 'a.txt': 'one' })
    repo.git('checkout', '--quiet', '-b', 'theirs')
    addSubmodule(repo, 'other', other.path, otherCommit)
    const bad = repo.commit({ 'a.txt': 'two' })
    repo.git('checkout', '--quiet', '--force', 'main')
    expect(readdirSync(join((await checkOutOf(repo, good, { trusted: false })).directory, 'known'))).toContain('known.txt')
    await expect(checkOutOf(repo, bad, { trusted: false })).rejects.toThrow(/submodule other of .*untrusted/)
    expect(readdirSync(join((await checkOutOf(repo, bad)).directory, 'other'))).toContain('other.txt')
  })

  test.each(['before', 'after'])('of an untrusted request whose directory is named once more as a link out of the tree, %s it, are written nowhere else', async (order) => {
    const outside = tempDir()
    const module = gitRepo()
    const moduleCommit = module.commit({ 'm.txt': 'm' })
    const repo = gitRepo()
    addSubmodule(repo, 'a/mod', module.path, moduleCommit)
    const known = hashed(repo, 'blob', readFileSync(join(repo.path, '.gitmodules')))
    const link = ['120000 a\0', hashed(repo, 'blob', outside)]
    const place = ['40000 a\0', tree(repo, ['160000 mod\0', moduleCommit])]
    const hostile = repo.git('commit-tree', '-m', 'Hostile', tree(repo, ['100644 .gitmodules\0', known, ...(order === 'before' ? [...link, ...place] : [...place, ...link])]))
    repo.git('branch', 'theirs', hostile)
    await checkOutOf(repo, hostile, { trusted: false }).catch((error: Error) => expect(error.message).toMatch(/submodule a\/mod of .*expected none of its directories to be a link/))
    expect(readdirSync(outside)).toEqual([])
  })

  test('whose names and commands are tricks run nothing and leave the tree nowhere', async () => {
    const module = gitRepo()
    const moduleCommit = module.commit({ 'm.txt': 'm' })
    const repo = gitRepo()
    addSubmodule(repo, 'mod', module.path, moduleCommit)
    writeFileSync(join(repo.path, '.gitmodules'), `[submodule "../../../escape"]\n\tpath = mod\n\turl = ${module.path}\n\tupdate = !touch pwned\n[submodule "x"]\n\tpath = ../outside\n\turl = ${module.path}\n`)
    const commit = repo.commit({})
    const { directory } = await checkOutOf(repo, commit)
    expect(readdirSync(join(directory, 'mod')).sort()).toEqual(['.git', 'm.txt'])
    expect(existsSync(join(directory, '../outside'))).toBe(false)
    expect(existsSync(join(directory, 'pwned'))).toBe(false)
  })
})

describe('a hostile repository', () => {
  test('starts no hook, monitor or filter of its own', async () => {
    const repo = gitRepo()
    const commit = repo.commit({
      '.gitattributes': '*.txt filter=evil diff=evil merge=evil\n',
      '.gitconfig': '[filter "evil"]\n\tsmudge = touch pwned\n[core]\n\tfsmonitor = touch pwned\n\tworktree = /\n',
      'a.txt': 'one',
      'hooks/post-checkout': '#!/bin/sh\ntouch pwned\n',
    })
    const { directory, git } = await checkOutOf(repo, commit)
    expect(readdirSync(directory).sort()).toEqual(['.git', '.gitattributes', '.gitconfig', 'a.txt', 'hooks'])
    expect(readdirSync(join(directory, '.git')).includes('hooks')).toBe(false)
    expect(git('rev-parse', '--show-toplevel')).toBe(directory)
  })

  test.each(['.git/hooks/post-checkout', '.GIT/config', 'git~1/config', '../escaped', '.gi\u200ct/config'])('whose tree names %j is refused', async (name) => {
    const repo = gitRepo()
    const commit = treeWith(repo, name)
    await expect(checkOutOf(repo, commit)).rejects.toThrow(/checking out/)
  })

  test('writes nothing through a link of its own', async () => {
    const outside = tempDir()
    const repo = gitRepo()
    const blob = hashed(repo, 'blob', 'owned')
    const link = hashed(repo, 'blob', outside)
    const sub = tree(repo, [`100644 owned\0`, blob])
    const commit = commitOf(repo, tree(repo, ['120000 a\0', link, '40000 a\0', sub]))
    await checkOutOf(repo, commit).catch(() => undefined)
    expect(readdirSync(outside)).toEqual([])
  })

  test('keeps its links as links', async () => {
    const repo = gitRepo()
    symlinkSync('/etc/passwd', join(repo.path, 'link'))
    const { directory } = await checkOutOf(repo, repo.commit({}))
    expect(lstatSync(join(directory, 'link')).isSymbolicLink()).toBe(true)
  })

  test('with a file name that is too long is a checkout error in git\'s words', async () => {
    const repo = gitRepo()
    const commit = treeWith(repo, 'x'.repeat(300))
    await expect(checkOutOf(repo, commit)).rejects.toThrow(/checking out .*File name too long/)
  })

  test('with names that differ only in case gives both files', async () => {
    const repo = gitRepo()
    const { directory } = await checkOutOf(repo, repo.commit({ 'Makefile.in': '1', 'makefile.in': '2' }))
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(['Makefile.in', 'makefile.in']))
  })
})


test.skipIf(!isInstalled('git-lfs', 'apt-get install git-lfs'))('files kept in LFS are there, from the repository\'s own server whatever .lfsconfig says', async () => {
  const repo = gitRepo()
  const oid = '9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0'
  mkdirSync(join(repo.path, '.git/lfs/objects/98/34'), { recursive: true })
  writeFileSync(join(repo.path, '.git/lfs/objects/98/34', oid), 'aaa')
  const commit = repo.commit({
    '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
    '.lfsconfig': '[lfs]\n\turl = https://127.0.0.1:9/elsewhere\n',
    'big.bin': `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 3\n`,
  })
  const { directory } = await checkOutOf(repo, commit)
  expect(readFileSync(join(directory, 'big.bin'), 'utf8')).toBe('aaa')
  expect(readFileSync(join(directory, '.git/config'), 'utf8')).not.toContain('filter')
})

test('LFS without git-lfs on PATH is a checkout error that names the package', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ '.gitattributes': '*.bin filter=lfs\n', 'big.bin': 'x' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const mirror = await mirrors.fetchMirror(repo.path, { commit })
  const path = tempDir()
  for (const tool of ['git', 'sh', 'setpriv']) symlinkSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(), join(path, tool))
  const poor = { ...mirror, env: { ...mirror.env, PATH: path } }
  await expect(checkOut({ mirrors, mirror: poor, commit, directory: join(tempDir(), 't'), trusted: true })).rejects.toThrow(/install the package git-lfs/)
})

test.skipIf(!isInstalled('prlimit', 'apt-get install util-linux'))('whatever git reads of a stranger\'s tree to check it out, its memory is bounded', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ '.gitattributes': '*.txt text\n', 'a.txt': 'one' })
  const mirrors = openMirrors(tempDir(), { env, localPaths: true })
  const mirror = await mirrors.fetchMirror(repo.path, { commit })
  const path = tempDir()
  const limits = join(path, 'limits')
  writeFileSync(join(path, 'git'), `#!/bin/sh\ncase "$*" in *" grep "*|*" read-tree "*) ulimit -d >> ${limits};; esac\nPATH=\${PATH#*:} exec git "$@"\n`, { mode: 0o755 })
  const watched = { ...mirror, env: { ...mirror.env, PATH: `${path}:${mirror.env['PATH']}` } }
  await checkOut({ mirrors, mirror: watched, commit, directory: join(tempDir(), 't'), trusted: false })
  expect(readFileSync(limits, 'utf8').trim().split('\n')).toEqual(Array(2).fill(String(2 * 1024 ** 2)))
})

function addSubmodule(repo: GitRepo, path: string, url: string, commit: string): void {
  const listed = join(repo.path, '.gitmodules')
  writeFileSync(listed, `${existsSync(listed) ? readFileSync(listed, 'utf8') : ''}[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`)
  const target = join(repo.path, path)
  mkdirSync(target, { recursive: true })
  execFileSync('git', ['init', '--quiet', target])
  execFileSync('git', ['-C', target, '-c', 'protocol.file.allow=always', 'commit', '--quiet', '--allow-empty', '-m', 'x'], { env: { ...gitTestEnvironment, HOME: target } })
  repo.git('add', '--force', '.gitmodules', path)
  repo.git('update-index', '--cacheinfo', `160000,${commit},${path}`)
  repo.git('commit', '--quiet', '-m', `Add ${path}`)
  execFileSync('rm', ['-rf', target])
  mkdirSync(target)
  execFileSync('git', ['init', '--quiet', target])
  repo.git('update-index', '--skip-worktree', path)
}

/** A commit whose tree git itself would not write. */
function treeWith(repo: GitRepo, name: string): string {
  const blob = hashed(repo, 'blob', 'x')
  const parts = name.split('/')
  let entry = tree(repo, [`100644 ${parts.pop()}\0`, blob])
  for (const part of parts.reverse()) entry = tree(repo, [`40000 ${part}\0`, entry])
  return commitOf(repo, entry)
}

function tree(repo: GitRepo, parts: string[]): string {
  const bytes = parts.map((part) => (/^[0-9a-f]{40}$/.test(part) ? Buffer.from(part, 'hex') : Buffer.from(part)))
  return hashed(repo, 'tree', Buffer.concat(bytes))
}

function hashed(repo: GitRepo, kind: string, content: string | Uint8Array): string {
  return execFileSync('git', ['hash-object', '-t', kind, '-w', '--stdin', '--literally'], { cwd: repo.path, input: content, encoding: 'utf8', env: { ...gitTestEnvironment, HOME: repo.path } }).trim()
}

function commitOf(repo: GitRepo, id: string): string {
  const commit = repo.git('commit-tree', '-m', 'Hostile', id)
  repo.git('update-ref', 'refs/heads/main', commit)
  return commit
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
