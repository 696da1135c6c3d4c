import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { aRequest } from '../helpers/a-request.ts'
import { bundle } from '../helpers/bundle.ts'
import { memoryDir } from '../helpers/memory-dir.ts'
import { number } from './queue-contract.ts'
import { entriesIn } from './entries-in.ts'

const fault = pathToFileURL(resolve('test/helpers/fault.mjs')).href

test('killed between any two steps, nothing accepted is lost, nothing decided comes back, and a redelivery makes one entry', async () => {
  const directory = memoryDir()
  const program = bundle('test/queue/killed-program.ts', directory)
  let kills = 0
  for (let at = 1, ended = false; !ended; at += 2) {
    const rounds = await Promise.all([at, at + 1].map((step) => killAt(step, program, join(directory, `home-${step}`))))
    for (const { home, steps, killed } of rounds) {
      await checkAfterCrash(home, steps)
      if (killed) kills++
      else ended = true
    }
  }
  expect(kills).toBeGreaterThan(40)
})

async function killAt(step: number, program: string, home: string) {
  openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
  const env = { PATH: process.env['PATH'], FAULT_AT: `${step}`, FAULT_ERROR: 'KILL', FAULT_PATH: home }
  const child = spawn(process.execPath, ['--import', fault, program, home], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((done) => child.on('exit', (_code, signal) => done(signal)))
  const steps = (await text(child.stdout)).split('\n').filter(Boolean)
  return { home, steps, killed: (await ended) === 'SIGKILL' }
}

async function checkAfterCrash(home: string, steps: string[]): Promise<void> {
  const told = (word: string) => steps.filter((step) => step.startsWith(`${word} `)).map((step) => step.split(' ').slice(1))
  const where = `after ${steps.at(-1) ?? 'nothing'} in ${home}`
  const later = Date.now() + 2 * 3600_000
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')), now: () => later })

  const claims = await queue.repair()
  expect(readdirSync(join(home, 'queue/tmp')), where).toEqual([])
  for (const [entry] of told('accepted')) expect(placesOf(home, entry!), where).toHaveLength(1)
  const numbers = new Map(told('claimed').map(([entry, given]) => [entry, Number(given)]))

  const answer = await queue.enqueue(aRequest({ hook: 'main', delivery: 'd-1' }))
  const before = told('accepted')[0]?.[0]
  if (before !== undefined) expect(answer, where).toEqual({ entry: before, duplicate: true })
  expect(entriesIn(home).filter(({ content }) => content.delivery === 'd-1'), where).toHaveLength(1)

  const bad = readdirSync(join(home, 'queue/bad'))
  for (const name of bad.filter((one) => !one.endsWith('.reason'))) expect(bad, where).toContain(`${name}.reason`)

  for (const claim of claims) await queue.release(claim, { died: true })
  const built = await claimAllWithNumbers(queue)
  for (const { entry, build } of built) if (numbers.has(entry)) expect(build.number, `${entry} keeps its number ${where}`).toBe(numbers.get(entry))
  for (const [entry] of told('decided')) expect(built.map((claim) => claim.entry), where).not.toContain(entry)
  for (const [entry] of told('accepted')) expect(placesOf(home, entry!), where).toHaveLength(1)
  expect(readdirSync(join(home, 'queue/claimed')), where).toEqual([])
  expect(readdirSync(join(home, 'queue')).toSorted(), where).toEqual(['bad', 'claimed', 'low', 'tmp'])
}

async function claimAllWithNumbers(queue: ReturnType<typeof openDirectoryQueue>) {
  const assign = number(1000)
  const built = []
  for (let claim = await queue.claim(assign); claim !== undefined; claim = await queue.claim(assign)) {
    built.push(claim)
    await queue.finish(claim)
  }
  return built
}

function placesOf(home: string, entry: string): string[] {
  return ['queue', 'queue/low', 'queue/tmp', 'queue/claimed', 'queue/bad', 'ledger/done'].filter((place) => existsSync(join(home, place, entry)))
}
