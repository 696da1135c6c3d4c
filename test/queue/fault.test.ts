import { armFault, disarmFault } from '../helpers/fault.mjs'
import { readdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import type { Claim, Queue } from '../../src/queue/queue.ts'
import { aRequest } from '../helpers/a-request.ts'
import { memoryDir } from '../helpers/memory-dir.ts'
import { entriesIn } from './entries-in.ts'
import { number } from './queue-contract.ts'

const deliveries = ['d-1', 'd-2', 'd-3'].map((delivery) => aRequest({ hook: 'main', delivery }))

test.each(['ENOSPC', 'EIO', 'EACCES'])('%s at any call costs at most one answer: what was accepted is there once, what was not can be sent again', async (error) => {
  onTestFinished(disarmFault)
  const root = memoryDir()
  let at = 0
  for (let happened = true; happened; ) {
    at++
    const home = join(root, `${at}`)
    const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
    const fault = armFault({ at, error, under: home })
    const told = await useQueue(queue)
    happened = fault.happened()
    disarmFault()
    if (!happened) expect(told.failures).toEqual([])
    await checkAfterFault(home, told, `${error} at call ${at}: ${told.failures.join('; ')}`)
  }
  expect(at).toBeGreaterThan(40)
})

test('a queue whose directories cannot be flushed is not opened: no entry could outlive what holds it', () => {
  onTestFinished(disarmFault)
  const home = memoryDir()
  armFault({ calls: ['fsync'], at: 1, error: 'EIO', under: home })
  expect(() => openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })).toThrow(/EIO/)
})

test('a file that cannot be flushed fails its delivery alone, a directory that cannot be fails all that share the flush', async () => {
  onTestFinished(disarmFault)
  for (const [at, refused] of [[1, 1], [2, 1], [3, 2], [4, 2], [5, 0]] as const) {
    const home = memoryDir()
    const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
    armFault({ calls: ['fsync'], at, error: 'EIO', under: home })
    const answers = await Promise.allSettled(deliveries.slice(0, 2).map((request) => queue.enqueue(request)))
    disarmFault()
    expect(answers.filter(({ status }) => status === 'rejected'), `flush ${at}`).toHaveLength(refused)
    expect(readdirSync(join(home, 'queue/tmp'))).toEqual([])
    // What is not on disk has no link yet, so that a redelivery is not taken for a duplicate.
    expect(readdirSync(join(home, 'ledger/delivery')), `flush ${at}`).toHaveLength(at < 3 ? 1 : 2)
  }
})

test('a duplicate is answered only once the directories of its entry are flushed', async () => {
  onTestFinished(disarmFault)
  const home = memoryDir()
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
  const { entry } = await queue.enqueue(deliveries[0]!)
  for (const [place, at] of [['queue', 2], ['ledger/delivery', 1]] as const) {
    armFault({ calls: ['fsync'], at, error: 'EIO', under: join(home, place) })
    await expect(queue.enqueue(deliveries[0]!)).rejects.toThrow(/EIO/)
    disarmFault()
  }
  expect(await queue.enqueue(deliveries[0]!)).toEqual({ entry, duplicate: true })
})

test('a claim whose note or directory cannot be flushed is none: the entry waits', async () => {
  onTestFinished(disarmFault)
  for (const at of [1, 2]) {
    const home = memoryDir()
    const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
    const { entry } = await queue.enqueue(deliveries[0]!)
    armFault({ calls: ['fsync'], at, error: 'ENOSPC', under: home })
    await expect(queue.claim(number())).rejects.toThrow(/ENOSPC/)
    disarmFault()
    expect(await queue.list()).toMatchObject([{ entry, state: 'waiting' }])
    expect(await queue.claim(number(5))).toMatchObject({ entry, build: { number: 5 }, attempt: 1 })
  }
})

test('a name that a claim replaced is off the disk before anything is built: brought back, it would be another entry', async () => {
  onTestFinished(disarmFault)
  // queue/ is flushed after the note and claimed/, which are below it.
  for (const { place, at } of [{ place: 'queue', at: 3 }, { place: 'queue/low', at: 1 }]) {
    const home = memoryDir()
    const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
    const from = join(home, place)
    writeFileSync(join(from, 'a name with spaces.json'), JSON.stringify(aRequest()))
    const fault = armFault({ calls: ['fsync'], at, error: 'EIO', under: from })
    await expect(queue.claim(number())).rejects.toThrow(`flushing ${from} to disk`)
    expect(fault.happened()).toBe(true)
    disarmFault()
    expect(await queue.list()).toMatchObject([{ entry: 'a name with spaces.json', state: place === 'queue' ? 'waiting' : 'low' }])
  }
})

test('an entry that is claimed again waits, too, where its note or directory cannot be flushed, and a drop that cannot be is told', async () => {
  onTestFinished(disarmFault)
  for (const at of [1, 2]) {
    const home = memoryDir()
    const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
    const { entry } = await queue.enqueue(deliveries[0]!)
    await queue.release((await queue.claim(number(5)))!)
    armFault({ calls: ['fsync'], at, error: 'ENOSPC', under: home })
    await expect(queue.claim(number(6))).rejects.toThrow(/ENOSPC/)
    disarmFault()
    expect(await queue.list()).toMatchObject([{ entry, state: 'waiting' }])
    expect(await queue.claim(number(6))).toMatchObject({ entry, build: { number: 5 } })
    const { entry: dropped } = await queue.enqueue(deliveries[1]!)
    armFault({ calls: ['fsync'], at, error: 'EIO', under: home })
    await expect(queue.drop(dropped)).rejects.toThrow(/EIO/)
    disarmFault()
  }
})

test("another user's entry, which may not be linked, is built all the same", async () => {
  onTestFinished(disarmFault)
  const home = memoryDir()
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
  const { entry } = await queue.enqueue(deliveries[0]!)
  unlinkSync(join(home, 'ledger/delivery', readdirSync(join(home, 'ledger/delivery'))[0]!))
  armFault({ calls: ['link'], at: 1, error: 'EPERM', under: home })
  expect(await queue.claim(number())).toMatchObject({ entry })
})

test('an old entry stays where it is while this process cannot open files, and is set aside where the file itself cannot be read', async () => {
  onTestFinished(disarmFault)
  const home = memoryDir()
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')), now: () => Date.now() + 120_000 })
  const { entry } = await queue.enqueue(deliveries[0]!)
  armFault({ calls: ['readFile'], at: 1, error: 'EMFILE', under: home })
  await expect(queue.claim(number())).rejects.toThrow(/EMFILE/)
  expect(await queue.list()).toMatchObject([{ entry, state: 'waiting' }])
  armFault({ calls: ['readFile'], at: 1, error: 'EIO', under: home })
  expect(await queue.claim(number())).toBeUndefined()
  expect(await queue.list()).toMatchObject([{ entry, state: 'bad', reason: expect.stringContaining('EIO') }])
})

interface Told {
  accepted: string[]
  failures: string[]
  claims: Map<string, Claim>
  decided: string[]
}

/** Every verb of the queue once; an error is noted, and the next thing is done. */
async function useQueue(queue: Queue): Promise<Told> {
  const told: Told = { accepted: [], failures: [], claims: new Map(), decided: [] }
  const assign = number()
  await Promise.all([...deliveries, deliveries[0]!].map((request) => noted(async () => told.accepted.push((await queue.enqueue(request)).entry))))
  await noted(async () => told.accepted.push((await queue.enqueue(aRequest(), { low: true })).entry))
  await claimed((claim) => queue.release(claim, { died: true }))
  await claimed(async (claim) => (await queue.finish(claim), told.decided.push(claim.entry)))
  await claimed(async (claim) => (await queue.bury(claim, 'no such thing'), told.decided.push(claim.entry)))
  await noted(async () => told.accepted[2] && (await queue.drop(told.accepted[2])) && told.decided.push(told.accepted[2]))
  return told

  async function noted(step: () => Promise<unknown>): Promise<void> {
    await step().catch((error: Error) => told.failures.push(error.message))
  }

  async function claimed(settle: (claim: Claim) => Promise<unknown>): Promise<void> {
    await noted(async () => {
      const claim = await queue.claim(assign)
      if (claim === undefined) return
      told.claims.set(claim.entry, claim)
      await settle(claim)
    })
  }
}

async function checkAfterFault(home: string, told: Told, where: string): Promise<void> {
  expect(told.failures.length, where).toBeLessThanOrEqual(5)
  for (const entry of told.accepted) expect(entriesIn(home).filter(({ name }) => name === entry), where).toHaveLength(1)
  // A refused delivery leaves nothing behind, unless the removal itself was the fault.
  const left = entriesIn(home).filter(({ place, name }) => place === 'queue/tmp' && statSync(join(home, place, name)).nlink === 1)
  if (told.failures.length > 0) expect(left, where).toEqual([])

  const later = Date.now() + 2 * 3600_000
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')), now: () => later })
  for (const request of deliveries) await queue.enqueue(request)
  for (const claim of await queue.repair()) {
    expect(claim.build, where).toEqual(told.claims.get(claim.entry)?.build)
    await queue.release(claim, { died: true })
  }
  const assign = number(1000)
  for (let claim = await queue.claim(assign); claim !== undefined; claim = await queue.claim(assign)) {
    expect(told.decided, where).not.toContain(claim.entry)
    const before = told.claims.get(claim.entry)
    if (before !== undefined) expect(claim.build, where).toEqual(before.build)
    await queue.finish(claim)
  }
  const found = entriesIn(home)
  for (const { delivery } of deliveries) expect(found.filter(({ content }) => content.delivery === delivery), where).toHaveLength(1)
  expect(found.every(({ place }) => ['ledger/done', 'queue/bad'].includes(place)), where).toBe(true)
  expect([readdirSync(join(home, 'queue/tmp')), readdirSync(join(home, 'queue/claimed'))], where).toEqual([[], []])
}
