// Claim time with 10, 10,000 and 200,000 waiting entries, once the queue is listed; each kind in a fresh directory.
// Rounds are interleaved, since a disk's speed drifts. Usage: jiti bench/claim.ts [most]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLedger } from '../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../src/queue/directory.ts'
import type { Queue } from '../src/queue/queue.ts'

const counts = [10, 10_000, Number(process.argv[2] ?? 200_000)]
const rounds = 20

/** Claims a round; below the smallest count, so that no listing is used up while it is timed. */
const claims = 8

const home = mkdtempSync(join(tmpdir(), 'quern-bench-claim-'))
try {
  await measure()
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function measure(): Promise<void> {
  const queues = counts.map((count) => ({ count, queue: fill(join(home, `${count}`), count), times: [] as number[] }))
  for (const { count, queue } of queues) {
    const start = performance.now()
    await queue.release((await queue.claim(assign))!)
    console.log(`${count} waiting: listed and first claimed in ${(performance.now() - start).toFixed(1)} ms`)
  }
  for (let round = 0; round < rounds; round++) for (const { queue, times } of queues) times.push(await timeOf(queue))
  const base = median(queues[0]!.times)
  for (const { count, times } of queues) console.log(`${count} waiting: ${median(times).toFixed(3)} ms a claim, ${(median(times) / base).toFixed(2)} of that at ${counts[0]}`)
}

/** Milliseconds a claim. The entries go back afterwards, so that the count stays. */
async function timeOf(queue: Queue): Promise<number> {
  const start = performance.now()
  const taken = []
  for (let index = 0; index < claims; index++) taken.push((await queue.claim(assign))!)
  const time = (performance.now() - start) / claims
  for (const claim of taken) await queue.release(claim)
  return time
}

/** Real files with a request of common size, written without the flushes that are not measured here. */
function fill(directory: string, count: number): Queue {
  const queue = openDirectoryQueue(directory, { ledger: openLedger(join(directory, 'ledger')) })
  mkdirSync(join(directory, 'queue'), { recursive: true })
  const request = { repository: 'tool', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: 'Ada Example', committer_email: 'ada@example.org', message: 'x'.repeat(200) }
  for (let index = 0; index < count; index++) {
    writeFileSync(join(directory, 'queue', `${1_700_000_000 + index}.000000-0a.json`), JSON.stringify(request))
  }
  return queue
}

function assign() {
  return { pipeline: 'tool', number: 1 }
}

function median(times: number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1]!
}
