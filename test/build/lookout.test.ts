import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openLookout } from '../../src/build/lookout.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openLog } from '../../src/log/open-log.ts'
import type { Request } from '../../src/model/request.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import type { Claim, Listed } from '../../src/queue/queue.ts'
import { until } from '../helpers/a-home.ts'
import { aRequest } from '../helpers/a-request.ts'
import { tempDir } from '../helpers/temp-dir.ts'

function aLookout() {
  const home = tempDir()
  const log = openLog(join(home, 'build.log'))
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
  let number = 0
  return {
    home,
    queue,
    lookout: openLookout(queue, log),
    push: async (digit: string, changes: Partial<Request> = {}) => (await queue.enqueue(aRequest({ commit_id: digit.repeat(40), ...changes }))).entry,
    claim: async () => (await queue.claim(() => ({ pipeline: 'tool', number: ++number })))!,
  }
}

test('a newer push of the same ref that waits is told at once, the newest of several', async () => {
  const { lookout, push, claim } = aLookout()
  await push('a')
  await push('b')
  const newest = await push('c')
  await push('d', { ref: 'refs/heads/other' })
  const told: unknown[] = []
  const end = await lookout.watch(await claim(), (newer) => told.push(newer))
  expect(told).toEqual([{ entry: newest, commit: 'c'.repeat(40) }])
  end()
})

test('one that comes meanwhile is told, also once it is built itself', async () => {
  const { lookout, push, claim } = aLookout()
  await push('a')
  const told: string[] = []
  const end = await lookout.watch(await claim(), ({ entry }) => told.push(entry))
  onTestFinished(end)
  expect(told).toEqual([])
  const newer = await push('b')
  expect((await claim()).entry).toBe(newer)
  await until('it is told', () => told.includes(newer))
})

test.each<[string, Partial<Request>]>([
  ['of another ref', { ref: 'refs/heads/other' }],
  ['of another repository', { full_name: 'acme/other' }],
  ['by another hook', { hook: 'other' }],
  ['for another pipeline', { pipeline: 'job:other' }],
  ['that is not trusted', { source: 'github', trusted: false }],
  ['that repeats an older build', { retry_of: 'tool/1' }],
  ['that is made to blame', { blame: { for: 'tool/1', runs: ['a'] } }],
])('a request %s does not take the place of another', async (_, changes) => {
  const { lookout, push, claim } = aLookout()
  await push('a')
  await push('b', changes)
  const end = await lookout.watch(await claim(), () => expect.unreachable())
  end()
})

const [first, second, third] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string]
const pull = (before: string) => ({ ref: 'refs/pull/7/head', source: 'github', trusted: false, pull_request: { number: 7, base_ref: 'refs/heads/main', before } }) as const

test.each<[string, Partial<Request>, Partial<Request>]>([
  ['a push', { before: second }, { before: first }],
  ['the first push of a branch', { before: second }, {}],
  ["a push to a stranger's pull request", pull(second), pull(first)],
])('%s that is delivered late does not take the place of the one after it', async (_, newer, late) => {
  const { lookout, push, claim } = aLookout()
  await push('c', newer)
  await push('b', late)
  const end = await lookout.watch(await claim(), () => expect.unreachable())
  end()
})

test.each<[string, Partial<Request>[], string]>([
  ['what came before a late delivery', [{ commit_id: third, before: second }, { commit_id: first }], third],
  ['a push back to where the branch was', [{ commit_id: first, before: second }], first],
])('%s takes the place of the one that is built', async (_, further, commit) => {
  const { lookout, push, claim } = aLookout()
  await push('b', { before: first })
  for (const changes of further) await push('d', changes)
  const told: string[] = []
  const end = await lookout.watch(await claim(), (newer) => told.push(newer.commit))
  expect(told).toEqual([commit])
  end()
})

test('neither does an older one, nor a newer one that somebody dropped', async () => {
  const { queue, lookout, push, claim } = aLookout()
  await push('a')
  await push('b')
  const dropped = await push('c')
  const [older, newer] = [await claim(), await claim()]
  const first: string[] = []
  const one = await lookout.watch(older, ({ entry }) => first.push(entry))
  expect(first).toEqual([dropped])
  one()
  await queue.drop(dropped)
  let second: string[] = []
  for (let tries = 0; second[0] !== newer.entry && tries < 50; tries++) {
    second = []
    const end = await lookout.watch(older, ({ entry }) => second.push(entry))
    end()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(second).toEqual([newer.entry])
  const two = await lookout.watch(newer, () => expect.unreachable())
  two()
})

test('an entry that is not whole yet is read again', async () => {
  const { home, lookout, push, claim } = aLookout()
  await push('a')
  const name = '9999999999.000000-late.json'
  writeFileSync(join(home, 'queue', name), '{"repository"')
  const told: string[] = []
  const end = await lookout.watch(await claim(), ({ entry }) => told.push(entry))
  onTestFinished(end)
  expect(told).toEqual([])
  writeFileSync(join(home, 'queue', name), JSON.stringify(aRequest()))
  await push('d', { ref: 'refs/heads/other' })
  await until('it is told', () => told.includes(name))
})

test('one look serves all builds, a dear one is followed by a long rest, and nobody looks for nobody', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let looks = 0
  let takes = 0
  const look = async () => {
    looks++
    await new Promise((resolve) => setTimeout(resolve, takes))
    return { came: [] as Listed[], gone: [] }
  }
  const lookout = openLookout({ follow: () => ({ look }) }, openLog(join(tempDir(), 'build.log')))
  const claim = (entry: string): Claim => ({ entry, request: aRequest(), build: { pipeline: 'tool', number: 1 }, attempt: 1, deaths: 0 })
  const watching = Promise.all(Array.from({ length: 50 }, (_, n) => lookout.watch(claim(String(n)), () => {})))
  await vi.advanceTimersByTimeAsync(0)
  const ends = await watching
  looks = 0
  await vi.advanceTimersByTimeAsync(10_100)
  expect(looks).toBe(10)
  takes = 1000
  await vi.advanceTimersByTimeAsync(2000)
  looks = 0
  await vi.advanceTimersByTimeAsync(210_000)
  expect(looks).toBe(10)
  for (const end of ends) end()
  await vi.advanceTimersByTimeAsync(30_000)
  looks = 0
  await vi.advanceTimersByTimeAsync(100_000)
  expect(looks).toBe(0)
})
