import { expect, test, vi } from 'vitest'
import { grindQueue } from '../../src/build/builder.ts'
import type { Workshop } from '../../src/build/workshop.ts'
import type { Queue } from '../../src/queue/queue.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { aRequest } from '../helpers/a-request.ts'
import { aWorkshop } from '../helpers/a-workshop.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('an entry that comes at the moment in which the builder has found none is built beside the build that runs', async () => {
  const home = tempDir()
  const { queue } = aWorkshop(home)
  await queue.enqueue(aRequest())
  let come = () => queue.enqueue(aRequest())
  const claim: Queue['claim'] = async (...given) => {
    const claimed = await queue.claim(...given)
    if (claimed === undefined) {
      await come()
      come = async () => ({ entry: '', duplicate: true })
    }
    return claimed
  }
  let settled = 0
  // Each waits for the other one.
  const settle: Workshop['settle'] = async () => {
    settled++
    await vi.waitUntil(() => settled === 2, { timeout: 60_000 })
    return { ignored: 'it is a test' }
  }
  await grindQueue(aWorkshop(home, { queue: { ...queue, claim }, settle }), { endLeftovers: async () => 0, stop: new AbortController().signal })
  expect([1, 2].map((number) => openRecords(home).result({ pipeline: 'app', number })?.reason)).toEqual(['ignored: it is a test', 'ignored: it is a test'])
})

test('an entry that comes when the builder has built all, and holds its lock still, is built by it', async () => {
  const home = tempDir()
  const { queue } = aWorkshop(home)
  await queue.enqueue(aRequest())
  let cleared = 0
  const clear: Workshop['workspaces']['clear'] = async () => {
    // The first time before anything is built, the second time after all.
    if (++cleared === 2) await queue.enqueue(aRequest())
    return []
  }
  await grindQueue(aWorkshop(home, { queue, workspaces: { clear } as Workshop['workspaces'] }), { endLeftovers: async () => 0, stop: new AbortController().signal })
  expect([1, 2].map((number) => openRecords(home).status({ pipeline: 'app', number }))).toEqual(['SKIPPED', 'SKIPPED'])
})
