/** @module-tag long */
import { randomBytes } from 'node:crypto'
import { statfsSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { aServer } from '../helpers/a-server.ts'
import { gitHttp, stopHalfway } from '../helpers/git-http.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { canMount, smallDisk } from '../helpers/small-disk.ts'
import { buildWithout } from '../helpers/without-programs.ts'

const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')

test.skipIf(!sandboxed)('artifacts over ARTIFACT_LIMIT fail a run with their size, a definition that is a bomb and 10,000 runs are errored, and the queue goes on', async () => {
  const server = await aServer({ settings: { ARTIFACT_LIMIT: '1' } })
  server.write({
    'job-defs/greedy.yml': 'artifacts: ["*.bin"]\nscript: head -c 3000000 /dev/zero > a.bin\n',
    'job-defs/bomb.yml': `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefghij'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[index]}`).join(',')}]`).join('\n')}\nscript: true\n`,
    'job-defs/many.yml': 'params: [{name: n}]\nscript: "true"\n',
    'job-defs/good.yml': 'script: echo good\n',
  })
  expect(await server.quern('start', 'greedy')).toMatchObject({ code: 0 })
  expect(await server.quern('start', 'bomb')).toMatchObject({ code: 2, stderr: expect.stringContaining('bomb.yml') })
  for (const [pipeline, runs] of [['job:bomb', undefined], ['job:many', Array.from({ length: 10_000 }, (_, n) => ({ name: `run ${n}`, params: { n: String(n) } }))], ['job:good', undefined]] as const) server.drop({ pipeline, ref: 'refs/jobs/test', ...(runs && { runs: [...runs] }) })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.read('builds/greedy/1/summary.log')).toContain(' The build failed: its artifacts are 2.9 MiB')
  expect(server.result('greedy/1')).toMatchObject({ verdict: 'failed', reason: expect.stringContaining('artifacts are 2.9 MiB, and at most 1.0 MiB are kept (ARTIFACT_LIMIT') })
  expect(server.console('greedy/1', 'greedy')).toContain('ARTIFACT_LIMIT')
  expect(server.list('builds/greedy/1/runs/greedy/artifacts')).toEqual([])
  expect(server.result('bomb/1')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('bomb.yml') })
  expect(server.result('many/1')).toMatchObject({ verdict: 'errored', reason: 'the plan has 10000 runs: expected at most 2000' })
  expect(server.status('good/1')).toBe('PASSED')
  expect((await server.quern('show', 'many/1')).stdout).toContain('the plan has 10000 runs')
})

test.skipIf(!canMount || !sandboxed)('a job that fills its workspace to the brim fails with the reason on its console, and the queue goes on', async () => {
  const disk = smallDisk(16 * 1024 * 1024)
  const server = await aServer({ at: disk.path })
  server.write({ 'job-defs/brim.yml': 'script: |\n  echo begun\n  head -c 100M /dev/zero > big || seq 100000\n  exit 5\n', 'job-defs/good.yml': 'script: echo good\n' })
  for (const job of ['brim', 'good']) await server.quern('start', job)
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('brim/1')).toMatchObject({ verdict: 'failed', runs: [{ code: 5 }] })
  // How much of the log was written before the disk was full depends on how busy this machine is.
  const log = server.console('brim/1', 'brim')
  const [marker] = /\n\[quern: from here on the log could not be written while the run went on \(ENOSPC[^\]]*\]\n/.exec(log)!
  expect(log.replace(marker, '')).toMatch(/^begun\n[^]*No space left on device[^]*\n99999\n100000\n$/)
  expect(server.status('good/1')).toBe('PASSED')
})

test.skipIf(!canMount || !sandboxed)('strangers that take the disk are ended: with files at WORKSPACE_LIMIT, with files that have no name any more before the disk is full; the queue goes on', async () => {
  const disk = smallDisk(128 * 1024 * 1024)
  const repo = gitRepo()
  const server = await aServer({ at: disk.path, settings: { WORKSPACE_LIMIT: '40', BLAME: 'never', CLONE_BASE: repo.path } })
  server.write({
    'job-defs/files.yml': 'script: |\n  for n in {1..60}; do fallocate -l 1M $n; done\n  sleep 60\n',
    'job-defs/nameless.yml': 'script: |\n  exec 3> file; rm file\n  while head -c 1M /dev/zero >&3; do :; done\n  sleep 60\n',
    'job-defs/good.yml': 'script: echo good\n',
  })
  for (const job of ['files', 'nameless', 'good']) server.drop({ pipeline: `job:${job}`, commit_id: repo.commit({}), clone_url: repo.path, source: 'github', trusted: false })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('files/1')).toMatchObject({ verdict: 'failed', reason: expect.stringMatching(/^its workspace grew too large: .* may take 40 MiB \(WORKSPACE_LIMIT in environment\.sh\)$/) })
  expect(server.read('builds/files/1/summary.log')).toContain('WORKSPACE_LIMIT')
  expect(server.result('nameless/1')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('the disk ran low') })
  expect(server.status('good/1')).toBe('PASSED')
  expect(server.list('cache/work')).toEqual([])
})

test.skipIf(!canMount || !sandboxed)("a stranger's commit whose fetch takes what is left of the disk is ended, and gives back what it took", async () => {
  const mebibyte = 1024 ** 2
  const disk = smallDisk(64 * mebibyte)
  const repo = gitRepo()
  const http = await gitHttp(dirname(repo.path), { other: stopHalfway })
  const server = await aServer({ at: disk.path, settings: { BLAME: 'never', CLONE_BASE: http.url } })
  server.write({ 'job-defs/stranger.yml': 'script: ls\n' })
  const push = (files: Record<string, string>) => server.drop({ pipeline: 'job:stranger', commit_id: repo.commit(files), clone_url: `${http.url}/${basename(repo.path)}/.git`, source: 'github', trusted: false })
  push({ 'a.txt': 'one' })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('stranger/1')).toMatchObject({ verdict: 'passed' })
  const left = () => statfsSync(disk.path).bavail * statfsSync(disk.path).bsize
  writeFileSync(join(disk.path, 'full'), Buffer.alloc(left() - 12 * mebibyte))
  push({ 'large.bin': randomBytes(13 * mebibyte).toString('hex'), ...Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`${index}.txt`, String(index)])) })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('stranger/2')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('the disk ran low') })
  expect(left()).toBeGreaterThan(11 * mebibyte)
})

test.skipIf(!sandboxed)('a commit of some kilobytes that would be checked out as gigabytes is ended at WORKSPACE_LIMIT, nothing of it stays, and the queue goes on', async () => {
  const repo = gitRepo()
  const good = repo.commit({ 'large.txt': 'rye\n'.repeat(12 * 1024 ** 2) })
  const file = repo.git('rev-parse', 'HEAD:large.txt')
  for (let n = 0; n < 400; n++) repo.git('update-index', '--add', '--cacheinfo', `100644,${file},copy-${n}.txt`)
  repo.git('commit', '--quiet', '--message', 'Gigabytes')
  const server = await aServer({ settings: { WORKSPACE_LIMIT: '100', BLAME: 'never', CLONE_BASE: repo.path } })
  server.write({ 'job-defs/stranger.yml': 'script: ls\n' })
  for (const commit of [repo.git('rev-parse', 'HEAD'), good]) server.drop({ pipeline: 'job:stranger', commit_id: commit, clone_url: repo.path, source: 'github', trusted: false })
  expect(await server.build()).toMatchObject({ code: 0, stderr: '' })
  expect(server.result('stranger/1')).toMatchObject({ verdict: 'errored', reason: expect.stringMatching(/^its workspace grew too large: .* may take 100 MiB \(WORKSPACE_LIMIT in environment\.sh\)$/) })
  expect(server.result('stranger/2')).toMatchObject({ verdict: 'passed' })
  expect(server.list('cache/work')).toEqual([])
})

test.skipIf(!canMount)('an engine that is not installed is errored with its package, an image that is nowhere with its name', async () => {
  const server = await aServer({ settings: { CONTAINER_PULL: 'never', ENGINE: 'podman' } })
  server.write({ 'job-defs/boxed.yml': 'containers: [{image: "localhost/quern-no-such-image:1"}]\nscript: echo RAN\n' })
  await server.quern('start', 'boxed')
  await buildWithout(['podman', 'docker'], server.home)
  expect(server.result('boxed/1')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('apt-get install podman') })
  if (!isInstalled('podman', 'apt-get install podman')) return
  await server.quern('start', 'boxed')
  await server.build()
  expect(server.result('boxed/2')).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('localhost/quern-no-such-image:1') })
})
