import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { killMarked } from '../../src/executor/processes.ts'
import { openMirrors } from '../../src/git/mirrors.ts'
import { gitWorld } from '../../src/git/run-git.ts'
import { bundle } from '../helpers/bundle.ts'
import { gitHttp, stopHalfway } from '../helpers/git-http.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const env = gitWorld(process.env)

test('a fetch from a server that never answers ends at once when it is aborted, and so does one that waits for it', async () => {
  const server = await silentServer()
  const mirrors = openMirrors(tempDir(), { env })
  const first = new AbortController()
  const second = new AbortController()
  const hanging = mirrors.fetchMirror(server.url, { signal: first.signal })
  const waiting = mirrors.fetchMirror(server.url, { signal: second.signal })
  await server.asked
  second.abort(new Error('the second was cancelled'))
  await expect(waiting).rejects.toThrow('the second was cancelled')
  expect(gitsAt(server.url).length).toBeGreaterThan(0)
  first.abort(new Error('the first was cancelled'))
  await expect(hanging).rejects.toThrow('the first was cancelled')
  if (process.platform === 'linux') expect(gitsAt(server.url)).toEqual([])
})

test.runIf(process.platform === 'linux')('the git of a builder that was killed dies with it, its helpers are found by their mark, and the next fetch succeeds', async () => {
  const repo = gitRepo()
  const commit = repo.commit({ 'a.txt': 'one' })
  const silent = { now: true }
  let asked = () => undefined as void
  const reached = new Promise<void>((resolve) => (asked = resolve))
  const server = await gitHttp(dirname(repo.path), { other: () => (silent.now ? (asked(), true) : false) })
  const url = `${server.url}/${basename(repo.path)}/.git`
  const directory = tempDir()
  const builder = spawn(process.execPath, [bundle('test/helpers/fetch-child.ts', tempDir()), directory, url, basename(directory)], { stdio: 'ignore' })
  onTestFinished(() => void builder.kill('SIGKILL'))
  await reached
  expect(gitsAt(url).length).toBeGreaterThan(0)
  builder.kill('SIGKILL')
  await once(builder, 'exit')
  await expect.poll(() => gitsAt(url).filter((pid) => !commandOf(pid).includes('remote-http'))).toEqual([])
  await killMarked(basename(directory))
  expect(gitsAt(url)).toEqual([])
  silent.now = false
  const mirror = await openMirrors(directory, { env }).fetchMirror(url, { commit })
  expect(await mirror.hasCommit(commit)).toBe(true)
})

test('a fetch that ends halfway leaves no half of an object in the mirror', async () => {
  const repo = gitRepo()
  repo.commit({ 'a.txt': 'one' })
  const server = await gitHttp(dirname(repo.path), { other: stopHalfway })
  const url = `${server.url}/${basename(repo.path)}/.git`
  const mirrors = openMirrors(tempDir(), { env })
  const { directory } = await mirrors.fetchMirror(url)
  const halves = () => readdirSync(join(directory, 'objects'), { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('tmp_'))
  const commit = repo.commit({ 'large.bin': randomBytes(4_000_000).toString('hex'), ...Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`${index}.txt`, String(index)])) })
  const stop = new AbortController()
  const fetched = mirrors.fetchMirror(url, { commit, signal: stop.signal })
  await expect.poll(halves).not.toEqual([])
  stop.abort(new Error('the build was cancelled'))
  await expect(fetched).rejects.toThrow('the build was cancelled')
  expect(halves()).toEqual([])
})

async function silentServer(): Promise<{ url: string; asked: Promise<unknown> }> {
  const server = createServer(() => undefined)
  const asked = once(server, 'request')
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.git`, asked }
}

/** Process ids of the git processes, helpers included, that were started for a URL. */
function gitsAt(url: string): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).startsWith('git') && commandOf(pid).includes(url))
}

/** Empty where it has ended meanwhile, and for a zombie. */
function commandOf(pid: string): string {
  try {
    return basename(readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replace('\0', '\n').split('\n')[0]!) + readFileSync(join('/proc', pid, 'cmdline'), 'utf8')
  } catch {
    return ''
  }
}
