/** @module-tag long */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holdOf, keepHold, type Hold } from '../../src/build/blame/hold.ts'
import { followUp } from '../../src/build/blame/pursue.ts'
import { openTurns } from '../../src/build/turns.ts'
import type { Workshop } from '../../src/build/workshop.ts'
import type { BuildResult } from '../../src/model/build.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { aHome } from '../helpers/a-home.ts'
import { aRequest } from '../helpers/a-request.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const [parent, entry] = ['b'.repeat(40), '1700000000.000001-0a.json']
const ended = { verdict: 'failed' as const, attempt: 1, repository: 'app', ref: 'refs/heads/main', commit_id: parent, started: '', ended: '', entry }

test('a build that begins to wait for an entry while its answer is told to others hears it, too', async () => {
  const home = tempDir()
  const [first, second, late] = [1, 2, 3].map((number) => heldBuild(home, number))
  for (const hold of [first!, second!]) keepHold(home, hold)
  const answer: BuildResult = { ...ended, pipeline: 'app', number: 4, runs: [{ name: 'check', verdict: 'failed' }] }
  const request = aRequest({ commit_id: parent, blame: { for: 'app/1', runs: ['check'] } })
  // To tell people takes a while, and meanwhile another build asks the same.
  const reportsOn: Workshop['reportsOn'] = async ({ result }) => {
    if (result.number === 1) keepHold(home, late!)
    return []
  }
  await followUp(workshopOf(home, reportsOn), { entry, request, build: { pipeline: 'app', number: 4 }, attempt: 1, deaths: 0 }, answer)
  expect([1, 2, 3].map((number) => holdOf(home, { pipeline: 'app', number }))).toEqual([undefined, undefined, undefined])
  expect([1, 2, 3].map((number) => openRecords(home).result({ pipeline: 'app', number })?.blame?.class)).toEqual(['parent', 'parent', 'parent'])
})

test('a wait that is over ends while a build goes on', async () => {
  const { home, build, drop, status, list } = aHome()
  mkdirSync(join(home, 'ledger/held'), { recursive: true })
  keepHold(home, { ...heldBuild(home, 1), due: 1 })
  renameSync(join(home, 'ledger/held/1-app~1'), join(home, 'held'))
  // The wait is there once the build is, which passes when it has ended.
  writeFileSync(join(home, 'scripts/build_packages'), `cd ${home}; mv held ledger/held/1-app~1; for i in {1..1000}; do [ -e ledger/held/1-app~1 ] || exit 0; sleep 0.05; done; exit 1\n`)
  drop()
  await build()
  expect([status('app/2'), list('ledger/held')]).toEqual(['PASSED', []])
  expect(openRecords(home).result({ pipeline: 'app', number: 1 })?.blame?.class).toBe('infra')
})

function heldBuild(home: string, number: number): Hold {
  const directory = join(home, 'builds/app', String(number))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'status'), 'FAILED\n')
  writeFileSync(join(directory, 'result.json'), JSON.stringify({ ...ended, pipeline: 'app', number, runs: [{ name: 'check', verdict: 'failed' }] }))
  const plan = { pipeline: 'app', why: '', runs: [] } as unknown as Hold['plan']
  return { pipeline: 'app', number, request: aRequest({ fresh: true }), plan, due: Math.floor(Date.now() / 1000) + 3600, parent, commits: ['a'.repeat(40)], runs: ['check'], answers: {}, awaits: { entry, commit: parent } }
}

function workshopOf(home: string, reportsOn: Workshop['reportsOn']): Workshop {
  const parts = { home, reportsOn, records: openRecords(home), ledger: { decide: () => {} }, log: { info: () => {} }, outbox: { write: async () => {}, handOver: () => 0 }, turns: openTurns() }
  return parts as unknown as Workshop
}
