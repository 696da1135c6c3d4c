/** @module-tag long */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { openOutbox } from '../../src/publish/outbox.ts'
import { bundle } from '../helpers/bundle.ts'
import { memoryDir } from '../helpers/memory-dir.ts'

const fault = pathToFileURL(resolve('test/helpers/fault.mjs')).href

test.each(['KILL', 'ENOSPC', 'EIO'])('%s at any step of writing, handing over and delivering loses no report and sends none for ever', async (error) => {
  const directory = memoryDir()
  const program = bundle('test/publish/killed-program.ts', directory)
  let faults = 0
  for (let at = 1, ended = false; !ended; at += 4) {
    const rounds = await Promise.all([0, 1, 2, 3].map((more) => runTo(at + more, error, program, join(directory, `${at + more}`))))
    for (const { home, log, clean } of rounds) {
      await checkAfter(home, log)
      if (clean) ended = true
      else faults++
    }
  }
  expect(faults).toBeGreaterThan(15)
})

async function runTo(at: number, error: string, program: string, directory: string): Promise<{ home: string; log: string; clean: boolean }> {
  const [home, log] = [join(directory, 'home'), join(directory, 'log')]
  mkdirSync(home, { recursive: true })
  writeFileSync(log, '')
  const env = { PATH: process.env['PATH'], FAULT_AT: `${at}`, FAULT_ERROR: error, FAULT_PATH: home }
  const child = spawn(process.execPath, ['--import', fault, program, home, log], { env, stdio: 'ignore' })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return { home, log, clean: code === 0 && signal === null && !readFileSync(log, 'utf8').includes('hindered') }
}

/** What the next tick does, and what must hold then. */
async function checkAfter(home: string, log: string): Promise<void> {
  if (!readFileSync(log, 'utf8').includes('written')) return
  const asked = readFileSync(log, 'utf8').split('\n').filter((line) => line.startsWith('asked')).map((line) => line.slice(6))
  const build = join(home, 'builds/app/1')
  const outbox = openOutbox(home, { decide: () => undefined })
  outbox.handOver(build)
  const again: string[] = []
  const email = { publish: async ({ id }: { id: string }) => (again.push(id), { kind: 'sent' as const }) }
  for (const hours of [2, 10]) await outbox.deliverDue({ email }, Date.now() + hours * 3_600_000)
  expect(leftOver(home), home).toBe(false)
  const sent = readdirSync(join(build, 'sent'))
  const dead = readdirSync(join(home, 'outbox/dead')).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(join(home, 'outbox/dead', name), 'utf8')).id as string)
  expect([...sent.map((name) => name.replace('.json', '')), ...dead].sort(), home).toEqual(['accepted', 'deferred', 'refused'])
  expect(again.filter((id) => id === 'accepted').length + asked.filter((id) => id === 'accepted').length, home).toBeLessThanOrEqual(2)
  expect(new Set(again).size, home).toBe(again.length)
}

function leftOver(home: string): boolean {
  return existsSync(join(home, 'outbox')) && readdirSync(join(home, 'outbox')).some((name) => /^\d/.test(name))
}
