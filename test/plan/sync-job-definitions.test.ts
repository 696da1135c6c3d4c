import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { syncJobDefinitions } from '../../src/plan/sync-job-definitions.ts'
import { gitRepo, gitTestEnvironment, type GitRepo } from '../helpers/git-repo.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const env = gitWorld(process.env)

/** A server's repository of definitions and its clone in a home. */
function cloned(files: Record<string, string>) {
  const server = gitRepo()
  server.commit(files)
  const directory = join(tempDir(), 'job-defs')
  execFileSync('git', ['clone', '--quiet', server.path, directory], { env: gitTestEnvironment })
  const mirrors = openMirrors(join(tempDir(), 'git'), { env, localPaths: true })
  return { server, directory, sync: () => syncJobDefinitions({ directory, mirrors, env, token: { token: undefined, host: 'github.com' } }) }
}

function remove(server: GitRepo, file: string): void {
  rmSync(join(server.path, file))
}

test('new commits are taken and their definitions told', async () => {
  const { server, directory, sync } = cloned({ 'a.yml': 'script: old\n', 'b.yml': 'script: ls\n' })
  const before = server.git('rev-parse', 'HEAD')
  remove(server, 'b.yml')
  const after = server.commit({ 'a.yml': 'script: new\n', 'x86/c.yml': 'script: ls\n', 'README.md': 'words' })
  expect(await sync()).toEqual({
    before,
    after,
    files: [{ change: 'changed', file: 'a.yml' }, { change: 'removed', file: 'b.yml' }, { change: 'added', file: 'x86/c.yml' }],
  })
  expect(readFileSync(join(directory, 'a.yml'), 'utf8')).toBe('script: new\n')
  expect(existsSync(join(directory, 'b.yml'))).toBe(false)
})

test('nothing new is no change', async () => {
  const { server, sync } = cloned({ 'a.yml': 'script: ls\n' })
  const head = server.git('rev-parse', 'HEAD')
  expect(await sync()).toEqual({ before: head, after: head, files: [] })
})

test('a commit of its own is never thrown away', async () => {
  const { server, directory, sync } = cloned({ 'a.yml': 'script: ls\n' })
  writeFileSync(join(directory, 'a.yml'), 'script: mine\n')
  execFileSync('git', ['commit', '--quiet', '--all', '--message', 'mine'], { cwd: directory, env: gitTestEnvironment })
  server.commit({ 'a.yml': 'script: theirs\n' })
  await expect(sync()).rejects.toThrow(/updating the files of .*Definitions are changed on the server only: take along what was changed.*reset --hard [0-9a-f]{40}/s)
  expect(readFileSync(join(directory, 'a.yml'), 'utf8')).toBe('script: mine\n')
})

test('neither is a file changed by hand', async () => {
  const { server, directory, sync } = cloned({ 'a.yml': 'script: ls\n' })
  writeFileSync(join(directory, 'a.yml'), 'script: mine\n')
  server.commit({ 'a.yml': 'script: theirs\n' })
  await expect(sync()).rejects.toThrow(/a\.yml/)
  expect(readFileSync(join(directory, 'a.yml'), 'utf8')).toBe('script: mine\n')
})

test('hooks of the clone are not run', async () => {
  const { server, directory, sync } = cloned({ 'a.yml': 'script: ls\n' })
  for (const hook of ['post-merge', 'post-checkout', 'reference-transaction']) writeFileSync(join(directory, '.git/hooks', hook), `#!/bin/sh\ntouch ${directory}/pwned\n`, { mode: 0o755 })
  server.commit({ 'a.yml': 'script: new\n' })
  await sync()
  expect(existsSync(join(directory, 'pwned'))).toBe(false)
})

test('what is no clone, has no branch or follows none is told with the remedy', async () => {
  const { directory, sync } = cloned({ 'a.yml': 'script: ls\n' })
  execFileSync('git', ['branch', '--unset-upstream'], { cwd: directory, env: gitTestEnvironment })
  await expect(sync()).rejects.toThrow(/follows no branch of a server: git -C .* branch --set-upstream-to=origin\/main/)
  execFileSync('git', ['checkout', '--quiet', '--detach'], { cwd: directory, env: gitTestEnvironment })
  await expect(sync()).rejects.toThrow(/has no branch checked out/)
  rmSync(join(directory, '.git'), { recursive: true })
  await expect(sync()).rejects.toThrow(/is no git clone, so there is nothing to pull: move it away, then git clone URL/)
})
