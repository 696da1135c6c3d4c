import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keepHold } from '../../src/build/blame/hold.ts'
import { grindQueue } from '../../src/build/builder.ts'
import type { Workshop } from '../../src/build/workshop.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { aRequest } from '../helpers/a-request.ts'
import { aWorkshop } from '../helpers/a-workshop.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const full = () => {
  throw new Error('the disk is full')
}
const grind = (workshop: Workshop) => grindQueue(workshop, { endLeftovers: async () => 0, stop: new AbortController().signal })

test('an entry whose build cannot be recorded waits again, and no builder has died over it', async () => {
  const workshop = aWorkshop(tempDir(), { reportsOn: full })
  const { entry } = await workshop.queue.enqueue(aRequest())
  await expect(grind(workshop)).rejects.toThrow('the disk is full')
  expect(await workshop.queue.list()).toMatchObject([{ entry, state: 'waiting' }])
  expect(await workshop.queue.claim(workshop.records.reserve.bind(undefined, 'app'))).toMatchObject({ build: { number: 1 }, attempt: 2, deaths: 0 })
})

test('a build that is decided, and cannot be handed over, is handed over by the next builder and not built again', async () => {
  const home = tempDir()
  const workshop = aWorkshop(home)
  const { entry } = await workshop.queue.enqueue(aRequest())
  await expect(grind({ ...workshop, outbox: { ...workshop.outbox, handOver: full } })).rejects.toThrow('the disk is full')
  expect(await workshop.queue.list()).toMatchObject([{ entry, state: 'claimed' }])
  await grind({ ...workshop, settle: full })
  expect(await workshop.queue.list()).toEqual([])
  expect(workshop.records.result({ pipeline: 'app', number: 1 })).toMatchObject({ verdict: 'skipped', attempt: 1 })
})

test('an entry that three builders died over stays with its builder until its report is handed over', async () => {
  const home = tempDir()
  const workshop = aWorkshop(home)
  const { entry } = await workshop.queue.enqueue(aRequest())
  for (const _ of [1, 2]) await workshop.queue.release((await workshop.queue.claim(() => workshop.records.reserve('app')))!, { died: true })
  await workshop.queue.claim(full)
  await expect(grind({ ...workshop, outbox: { ...workshop.outbox, handOver: full } })).rejects.toThrow('the disk is full')
  expect(await workshop.queue.list()).toMatchObject([{ entry, state: 'claimed' }])
})

test('a number whose record a power cut took stays that of its entry, also where another one is built first', async () => {
  const home = tempDir()
  const workshop = aWorkshop(home)
  const low = await workshop.queue.enqueue(aRequest(), { low: true })
  await workshop.queue.claim(() => workshop.records.reserve('app'))
  rmSync(join(home, 'builds/app/1'), { recursive: true })
  const high = await workshop.queue.enqueue(aRequest())
  await grind(aWorkshop(home))
  expect([1, 2].map((number) => openRecords(home).result({ pipeline: 'app', number })?.entry)).toEqual([low.entry, high.entry])
})

test('what an earlier attempt found out about is asked no more where the one that is decided waits for nothing', async () => {
  const home = tempDir()
  const workshop = aWorkshop(home)
  const request = aRequest({ fresh: true })
  await workshop.queue.enqueue(request)
  const claim = (await workshop.queue.claim(() => workshop.records.reserve('app')))!
  const plan = { pipeline: 'app', why: '', runs: [], notify: [] }
  keepHold(home, { ...claim.build, request, plan, due: Math.floor(Date.now() / 1000) + 3600, parent: 'b'.repeat(40), commits: ['a'.repeat(40)], runs: ['check'], answers: {} })
  await workshop.queue.release(claim)
  await grind(workshop)
  expect(readdirSync(join(home, 'ledger/held'))).toEqual([])
  expect(readdirSync(join(home, 'builds/app'))).toEqual(['1'])
})

test('what a dead builder left running is ended before the directories are removed in which it writes', async () => {
  const done: string[] = []
  const workspaces = { clear: async () => (done.push('removed'), []) } as unknown as Workshop['workspaces']
  await grindQueue(aWorkshop(tempDir(), { workspaces }), { endLeftovers: async () => done.push('ended'), stop: new AbortController().signal })
  expect(done.slice(0, 2)).toEqual(['ended', 'removed'])
})
