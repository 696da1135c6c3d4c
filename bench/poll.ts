// A poll of 10,000 events against the bare HTTP requests that it makes, and series applied a second against plain git am.
// The bare requests are the same ones, by fetch, one after the other, their bodies read and nothing kept. Rounds are
// interleaved, since a small machine's speed drifts; a home in memory shows what is left without the disk. Usage: jiti bench/poll.ts [events] [rounds]
import { execFileSync, fork, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openMirrors } from '../src/git/mirrors.ts'
import { gitWorld } from '../src/git/run-git.ts'
import { openLedger } from '../src/ledger/open-ledger.ts'
import { parseRequest } from '../src/model/request.ts'
import { applySeries } from '../src/patchwork/apply.ts'
import { openPatchwork } from '../src/patchwork/client.ts'
import { poll } from '../src/patchwork/poll.ts'
import { seriesRequest } from '../src/patchwork/series-request.ts'
import { openDirectoryQueue } from '../src/queue/directory.ts'
import { startFakePatchwork } from '../test/helpers/fake-patchwork.ts'
import { fakeSource } from '../test/helpers/poll-once.ts'

const events = Number(process.argv[2] ?? 10_000)
const rounds = Number(process.argv[3] ?? 3)
const since = '2026-11-01T00:00:00'
const base = 'db91e083bcfc7643c5c1d3ea3983474132b8523a'

// As bin/quern sets it.
process.env['UV_THREADPOOL_SIZE'] ??= '8'

const work = mkdtempSync(join(tmpdir(), 'quern-bench-poll-'))
const memory = existsSync('/dev/shm') ? mkdtempSync('/dev/shm/quern-bench-poll-') : undefined
try {
  await comparePolls()
  await compareApplies()
} finally {
  for (const directory of [work, memory]) if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
}

async function comparePolls(): Promise<void> {
  const { child, url } = await startServer()
  try {
    await requestAll(url) // renders the answers
    const bare: number[] = []
    const homes = [{ name: 'on disk', directory: work }, ...(memory === undefined ? [] : [{ name: 'in memory', directory: memory }])].map((home) => ({ ...home, times: [] as number[] }))
    for (let round = 0; round < rounds; round++) {
      bare.push(await timed(() => requestAll(url)))
      for (const { directory, times } of homes) times.push(await timed(() => pollInto(join(directory, `home-${round}`), url)))
    }
    console.log(`${events} series-completed events, the bare requests: ${median(bare).toFixed(0)} ms`)
    for (const { name, times } of homes) console.log(`  each series read and durably queued, home ${name}: ${median(times).toFixed(0)} ms, ratio ${(median(times) / median(bare)).toFixed(2)}`)
  } finally {
    child.disconnect()
  }
}

function startServer(): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(fileURLToPath(new URL('poll/server.ts', import.meta.url)), [String(events)], { execArgv: ['--import', 'jiti/register'], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  return new Promise((resolve) => child.stdout!.once('data', (line: Buffer) => resolve({ child, url: line.toString().trim() })))
}

/** The same requests, in the same order, one after the other, their bodies read and nothing else. */
async function requestAll(url: string): Promise<void> {
  const headers = { accept: 'application/json' }
  const text = async (path: string) => {
    const response = await fetch(url + path, { headers })
    return { body: await response.text(), link: response.headers.get('link') }
  }
  await text('/api/1.3/projects/ffmpeg/')
  for (const category of ['series-completed', 'series-created']) {
    let path: string | undefined = `/api/1.3/events/?project=ffmpeg&category=${category}&order=date&per_page=250&since=${encodeURIComponent(since)}`
    while (path !== undefined) {
      const { body, link } = await text(path)
      if (category === 'series-completed') for (const [, id] of body.matchAll(/"series":\{"id":(\d+)/g)) await text(`/api/1.3/series/${id}/`)
      const next: string | undefined = /<([^>]*)>; rel="next"/.exec(link ?? '')?.[1]
      path = next === undefined ? undefined : next.replace(/^https?:\/\/[^/]*/, '')
    }
  }
}

async function pollInto(home: string, url: string): Promise<void> {
  const ledger = openLedger(join(home, 'ledger'))
  const queue = openDirectoryQueue(home, { ledger })
  const client = openPatchwork({ url, project: 'ffmpeg' })
  const { queued } = await poll({ source: fakeSource(url), client, home, queue, ledger, tip: async () => base, since })
  if (queued !== events) throw new Error(`expected ${events} series queued, got ${queued}`)
}

/** Recorded series, of one and of several patches, on the repository that they are for. */
async function compareApplies(): Promise<void> {
  const fixtures = fileURLToPath(new URL('../test/fixtures/patchwork/', import.meta.url))
  const { series: ids } = JSON.parse(readFileSync(join(fixtures, 'ids.json'), 'utf8')) as { series: Record<string, number> }
  const chosen = ['single', 'series3_v2', 'ooo3', 'breakbuild', 'nonascii', 'rename'].map((name) => ids[name]!)
  const fake = await startFakePatchwork({ recorded: true })
  const client = openPatchwork({ url: fake.url, project: 'ffmpeg' })
  const mirror = await openMirrors(join(work, 'git'), { env: gitWorld(process.env), localPaths: true }).fetchMirror(join(fixtures, 'mini.bundle'))
  const plain = join(work, 'plain')
  execFileSync('git', ['clone', '--quiet', mirror.directory, plain])
  const times = { quern: [] as number[], plain: [] as number[] }
  for (let round = 0; round < rounds * 3; round++) {
    times.plain.push(await timed(async () => {
      for (const id of chosen) amPlainly(plain, await client.seriesMbox(id))
    }))
    times.quern.push(await timed(async () => {
      for (const id of chosen) {
        const { series } = parseRequest(seriesRequest(await client.series(id), { source: fakeSource(fake.url), pipeline: 'chunks', base }))
        await applySeries({ client, mirror, series: series!, tip: base, directory: join(work, 'trees') })
      }
    }))
  }
  await fake.close()
  const perSecond = (all: number[]) => (chosen.length * 1000) / median(all)
  console.log(`series applied: ${perSecond(times.quern).toFixed(1)}/s, one commit a patch, kept by refs; plain git am in a clone that is reset each time: ${perSecond(times.plain).toFixed(1)}/s; ratio ${(perSecond(times.quern) / perSecond(times.plain)).toFixed(2)}`)
}

function amPlainly(directory: string, mbox: Buffer): void {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_COMMITTER_NAME: 'Quern', GIT_COMMITTER_EMAIL: 'quern@localhost' }
  execFileSync('git', ['reset', '--quiet', '--hard', base], { cwd: directory, env })
  execFileSync('git', ['am', '--quiet', '-3', '--keep-cr'], { cwd: directory, env, input: mbox })
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function median(times: number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!
}
