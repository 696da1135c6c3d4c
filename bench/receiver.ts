// Durable deliveries a second and p99 of Quern's receiver, with a real push of 10 KB over 32 connections, beside other
// servers in the same run, interleaved. Then its memory. Read the ratios: the numbers swing with the machine.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sendPushes, type Load } from './receiver/load.ts'
import { costOfLargeBody, memoryOf, processorTimeOf } from './receiver/memory.ts'
import { startDebian, startOther, startQuern, type Server } from './receiver/start-server.ts'

const rounds = 5
const seconds = 2

type Measured = Load & { processor: number }

const hasDebian = spawnSync('webhook', ['-version']).status === 0
const servers: Record<string, (directory: string) => Promise<Server>> = {
  'Quern, durable': startQuern,
  'Quern without disk': (directory) => startOther('no-disk', directory),
  'node:http, HMAC only': (directory) => startOther('hmac-only', directory),
  'node:http, HMAC, fsync each (fs/promises)': (directory) => startOther('fsync-promises', directory),
  'node:http, HMAC, fsync each (callbacks)': (directory) => startOther('fsync-callbacks', directory),
  ...(hasDebian ? { 'webhook (Debian) + Python script': startDebian } : {}),
}

const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
try {
  if (!hasDebian) console.log('webhook is not installed and left out: apt install webhook')
  const loads = await measureAll()
  const quern = medianOf(loads['Quern, durable']!, 'rate')
  console.table(
    Object.entries(loads).map(([server, measured]) => ({
      server,
      'deliveries/s': Math.round(medianOf(measured, 'rate')),
      rounds: measured.map(({ rate }) => Math.round(rate)).join(' '),
      'p50 ms': medianOf(measured, 'p50').toFixed(1),
      'p99 ms': medianOf(measured, 'p99').toFixed(1),
      'processor µs each': Math.round(medianOf(measured, 'processor')),
      'Quern is': `${(quern / medianOf(measured, 'rate')).toFixed(2)} x`,
    })),
  )
  await measureMemory()
} finally {
  rmSync(place, { recursive: true, force: true })
}

/** Each server on a fresh directory, in turn, so that a slow minute of the machine meets all of them; warm, because V8 compiles for the first seconds. */
async function measureAll(): Promise<Record<string, Measured[]>> {
  const loads: Record<string, Measured[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [index, [name, start]] of Object.entries(servers).entries()) {
      const server = await start(join(place, `${round}-${index}`))
      await sendPushes(server.port, server.path, seconds)
      const before = processorTimeOf(server.pid)
      const load = await sendPushes(server.port, server.path, seconds)
      ;(loads[name] ??= []).push({ ...load, processor: (processorTimeOf(server.pid) - before) / load.count })
      await server.stop()
    }
  }
  return loads
}

async function measureMemory(): Promise<void> {
  const server = await startQuern(join(place, 'memory'))
  console.log(`at rest: ${memoryOf(server.pid).now.toFixed(0)} MB`)
  for (const [name, signed] of [['without a signature', false], ['chunked, with an invented signature', true]] as const) {
    const { before, cost, answer } = await costOfLargeBody(server, signed)
    console.log(`a body of 200 MB ${name}: ${answer}, ${before.toFixed(0)} MB before, at most ${cost.toFixed(0)} MB more`)
  }
  await sendPushes(server.port, server.path, seconds)
  console.log(`after ${seconds} seconds of load: ${memoryOf(server.pid).now.toFixed(0)} MB, at most ${memoryOf(server.pid).peak.toFixed(0)} MB`)
  await server.stop()
}

function medianOf(measured: Measured[], key: keyof Measured): number {
  return measured.map((one) => one[key]).toSorted((one, other) => one - other)[Math.floor(measured.length / 2)]!
}
