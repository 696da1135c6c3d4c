/** @module-tag long */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import type { Request } from '../../src/model/request.ts'
import { supersededBy } from '../../src/patchwork/series-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { bundle } from '../helpers/bundle.ts'
import { startFakePatchwork, type FakePatchwork } from '../helpers/fake-patchwork.ts'
import { memoryDir } from '../helpers/memory-dir.ts'
import { pollOnce } from '../helpers/poll-once.ts'

const fault = pathToFileURL(resolve('test/helpers/fault.mjs')).href

/** A kill before a directory is made or a file opened leaves what a kill after the call before it leaves. */
const calls = 'write,writeFile,appendFile,fsync,link,rename,unlink,rm'

test('killed at any call to the file system, a poll loses no series, queues none twice, and ends what is outdated', async () => {
  const directory = memoryDir()
  const program = bundle('test/patchwork/killed-poll-program.ts', directory)
  let faults = 0
  for (let at = 1, ended = false; !ended; at += 2) {
    const rounds = await Promise.all([at, at + 1].map((step) => disturbAt(step, 'KILL', program, join(directory, `killed-${step}`))))
    for (const happened of rounds) {
      if (happened) faults++
      else ended = true
    }
  }
  expect(faults).toBeGreaterThan(25)
})

test.each(['ENOSPC', 'EIO'])('%s at any call loses and doubles nothing either', async (error) => {
  const directory = memoryDir()
  const program = bundle('test/patchwork/killed-poll-program.ts', directory)
  for (let at = 1; at <= 31; at += 10) await Promise.all([at, at + 5].map((step) => disturbAt(step, error, program, join(directory, `${step}`))))
})

/** A home that has polled before and has v1 of a series waiting; then three series come, v2 among them, in a poll that is disturbed. */
async function disturbAt(step: number, error: string, program: string, home: string): Promise<boolean> {
  const fake = await startFakePatchwork()
  onTestFinished(() => fake.close())
  await pollOnce(home, fake.url)
  const v1 = add(fake, 'area: do it')
  await pollOnce(home, fake.url)
  const others = [add(fake, 'area: one'), add(fake, 'area: two')]
  const v2 = add(fake, '[v2] area: do it', 2)

  const disturbed = await run(program, home, fake.url, { FAULT_AT: `${step}`, FAULT_ERROR: error })
  await mend(home)
  await pollOnce(home, fake.url)

  expect(seriesIn(home, 'queue'), `after ${error} at ${step}`).toEqual([...others, v2])
  expect(seriesIn(home, 'ledger/done'), `after ${error} at ${step}`).toEqual([v1])
  expect(supersededBy(home, { server: fake.url, id: v1 })).toEqual({ by: v2, version: 2 })
  expect(await pollOnce(home, fake.url)).toMatchObject({ events: 0, queued: 0 })
  await fake.close()
  return disturbed
}

function add(fake: FakePatchwork, name: string, version = 1): number {
  return fake.addSeries({ version, patches: [{ name, mail: `Subject: ${name}\n\nText.\n\ndiff --git a/a b/a\n` }] }).id
}

/** Whether the program was killed, or told of its error. */
function run(program: string, home: string, url: string, env: Record<string, string>): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', fault, program, home, url], { env: { PATH: process.env['PATH'], FAULT_PATH: home, FAULT_CALL: calls, ...env }, stdio: 'ignore' })
  return new Promise((done) => child.on('exit', (code, signal) => done(signal === 'SIGKILL' || code !== 0)))
}

/** What the builder's next tick does with an entry that a kill left half accepted. */
async function mend(home: string): Promise<void> {
  await openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) }).repair()
}

function seriesIn(home: string, place: string): number[] {
  const names = readdirSync(join(home, place)).filter((name) => name.endsWith('.json'))
  return names.map((name) => (JSON.parse(readFileSync(join(home, place, name), 'utf8')) as Request).series!.id).toSorted((a, b) => a - b)
}
