import { armFault, disarmFault } from '../helpers/fault.mjs'
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ask } from '../../src/build/blame/ask.ts'
import { holdOf, keepHold, type Hold } from '../../src/build/blame/hold.ts'
import { endDueWaits, followUp, lookAtHolds } from '../../src/build/blame/pursue.ts'
import { openTurns } from '../../src/build/turns.ts'
import type { Workshop } from '../../src/build/workshop.ts'
import type { BuildResult } from '../../src/model/build.ts'
import type { Request } from '../../src/model/request.ts'
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

test.each<[string, Partial<Request>]>([
  ['of a stranger', { source: 'github', trusted: false }],
  ['that takes old verdicts', { fresh: undefined }],
  ['of another repository', { full_name: 'acme/other' }],
])('a build does not wait for the answer to a question %s', async (_, changes) => {
  const home = tempDir()
  const other = heldBuild(home, 1)
  keepHold(home, { ...other, request: { ...other.request, ...changes } })
  const { awaits: _awaits, ...hold } = heldBuild(home, 2)
  keepHold(home, hold)
  const queue = { enqueue: async () => ({ entry: 'its own', duplicate: false }) }
  await ask({ ...workshopOf(home, async () => []), queue } as unknown as Workshop, hold, { commit: parent, runs: ['check'] })
  expect(holdOf(home, hold)?.awaits?.entry).toBe('its own')
})

test('a failure whose parent was set aside in queue/bad is told as ours, and waits for it no longer', async () => {
  const home = tempDir()
  keepHold(home, heldBuild(home, 1))
  const queue = { find: async () => ({ entry, state: 'bad' }) }
  await lookAtHolds({ ...workshopOf(home, async () => []), queue } as unknown as Workshop)
  expect(openRecords(home).result({ pipeline: 'app', number: 1 })?.blame).toMatchObject({ class: 'infra', reason: expect.stringContaining('not in the queue any more') })
  expect(readdirSync(join(home, 'ledger/held'))).toEqual([])
})

test('a failure that is told for two reasons at one moment is told once', async () => {
  const home = tempDir()
  keepHold(home, { ...heldBuild(home, 1), due: 1 })
  let told = 0
  const workshop = workshopOf(home, async () => (told++, []))
  await Promise.all([endDueWaits(workshop), endDueWaits(workshop)])
  expect(told).toBe(1)
})

test('what is held anew by a later attempt waits under one time, its own', () => {
  const home = tempDir()
  for (const due of [2000000000, 2000000001]) keepHold(home, { ...heldBuild(home, 1), due })
  expect(readdirSync(join(home, 'ledger/held'))).toEqual(['2000000001-app~1'])
})

test('what is held is on the disk, with its mark, once that is said', () => {
  onTestFinished(disarmFault)
  // The hold and its name, the mark and its name.
  for (const at of [1, 2, 3, 4]) {
    const home = tempDir()
    const hold = heldBuild(home, 1)
    armFault({ calls: ['fsync'], at, error: 'EIO', under: home })
    expect(() => keepHold(home, hold), `flush ${at}`).toThrow('EIO')
    disarmFault()
  }
})

test('a wait that is over ends while a build goes on', { tags: 'long' }, async () => {
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
