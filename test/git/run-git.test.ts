import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gitWorld, runGit } from '../../src/git/run-git.ts'
import { gitRepo, gitTestEnvironment } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'

const bounded = isInstalled('setpriv', 'apt-get install util-linux') && isInstalled('prlimit', 'apt-get install util-linux')

test.skipIf(!bounded)('git that may take so much memory ends where a few objects make a tree of a million files', { tags: 'long' }, async () => {
  const { path } = gitRepo()
  const tree = aTreeOf(path, 6)
  const options = { doing: 'reading the tree', cwd: path, env: gitWorld(process.env) }
  await expect(runGit(['read-tree', tree], { ...options, memory: 32 * 1024 ** 2 })).rejects.toThrow('reading the tree: git needed more than the 32 MiB of memory that it may take')
  expect(existsSync(join(path, '.git/index'))).toBe(false)
  await runGit(['read-tree', tree], { ...options, memory: 1024 ** 3 })
  expect(existsSync(join(path, '.git/index'))).toBe(true)
})

test('what somebody put in the place of a commit by refs/replace/ is not taken for it', async () => {
  const repo = gitRepo()
  const [good, other] = [repo.commit({ file: 'good' }), repo.commit({ file: 'other' })]
  repo.git('replace', good, other)
  expect(repo.git('show', `${good}:file`)).toBe('other')
  expect(await runGit(['show', `${good}:file`], { doing: 'reading a file', cwd: repo.path, env: gitWorld(process.env) })).toBe('good')
})

/** Ten names a level for the same thing: 10 to the power of `levels` files in as many objects as levels. */
function aTreeOf(cwd: string, levels: number): string {
  const git = (args: string[], input: string) => execFileSync('git', args, { cwd, input, encoding: 'utf8', env: gitTestEnvironment }).trim()
  let [mode, id] = ['100644 blob', git(['hash-object', '-w', '--stdin'], 'x')]
  for (let level = 0; level < levels; level++) [mode, id] = ['040000 tree', git(['mktree'], Array.from({ length: 10 }, (_, name) => `${mode} ${id}\t${name}\n`).join(''))]
  return id
}
