import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { findProgram } from '../../src/executor/find-program.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { pruneMirrors } from '../../src/git/prune-mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const day = 24 * 60 * 60 * 1000
const monthAgo = () => ({ before: Date.now() - 30 * day, dryRun: false })

async function twoMirrors() {
  const directory = join(tempDir(), 'git')
  const mirrors = openMirrors(directory, { env: gitWorld(process.env), localPaths: true })
  const repos = [gitRepo(), gitRepo()]
  const commits = repos.map((repo) => repo.commit({ file: 'x' }))
  const [one, other] = await Promise.all(repos.map((repo) => mirrors.fetchMirror(repo.path)))
  return { directory, mirrors, repos, commits, one: one!.directory, other: other!.directory }
}

function age(path: string, days: number): void {
  const then = new Date(Date.now() - days * day)
  utimesSync(`${path}.lock`, then, then)
}

test('a mirror that nobody asked for goes, one that was asked for stays, and the first comes back when it is wanted', async () => {
  const { directory, mirrors, repos, commits, one, other } = await twoMirrors()
  for (const path of [one, other]) age(path, 31)
  // Not even a fetch that finds nothing to do leaves it unused.
  await mirrors.fetchMirror(repos[1]!.path, { commit: commits[1]!, refs: ['refs/heads/main'] })
  expect(await pruneMirrors(directory, { ...monthAgo(), dryRun: true })).toBe(1)
  expect(existsSync(one)).toBe(true)
  expect(await pruneMirrors(directory, monthAgo())).toBe(1)
  expect([existsSync(one), existsSync(other)]).toEqual([false, true])
  expect(await pruneMirrors(directory, monthAgo())).toBe(0)
  expect(await (await mirrors.fetchMirror(repos[0]!.path)).hasCommit(commits[0]!)).toBe(true)
})

test('a mirror that is being fetched stays, however old it is', async () => {
  const { directory, one } = await twoMirrors()
  age(one, 400)
  const holder = spawn(findProgram('flock')!, ['--no-fork', `${one}.lock`, 'sh', '-c', 'echo held; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  onTestFinished(() => void holder.kill('SIGKILL'))
  await new Promise((resolve) => holder.stdout.once('data', resolve))
  expect(await pruneMirrors(directory, monthAgo())).toBe(0)
  expect(existsSync(join(one, 'HEAD'))).toBe(true)
})

test('half a clone of a server that nobody asks any more goes, and what a killed prune left', async () => {
  const { directory, one, other } = await twoMirrors()
  for (const path of [one, other]) age(path, 31)
  renameSync(one, `${one}.clone`)
  mkdirSync(`${other}.clone`)
  expect(await pruneMirrors(directory, monthAgo())).toBe(2)
  expect(readdirSync(directory).filter((name) => !/\.lock$|^gitconfig$|^askpass/.test(name))).toEqual([])
})

test('where nothing was ever fetched there is nothing to prune', async () => {
  expect(await pruneMirrors(join(tempDir(), 'none'), monthAgo())).toBe(0)
})
