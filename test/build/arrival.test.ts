import { expect, test, vi } from 'vitest'
import { grindQueue } from '../../src/build/builder.ts'
import { openTurns } from '../../src/build/turns.ts'
import type { Workshop } from '../../src/build/workshop.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import type { Queue } from '../../src/queue/queue.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { aRequest } from '../helpers/a-request.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('an entry that comes at the moment in which the builder has found none is built beside the build that runs', async () => {
  const home = tempDir()
  const ledger = openLedger(home)
  const queue = openDirectoryQueue(home, { ledger })
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
  await grindQueue(workshopOf(home, { queue: { ...queue, claim }, ledger, settle }), { endLeftovers: async () => 0, stop: new AbortController().signal })
  expect([1, 2].map((number) => openRecords(home).result({ pipeline: 'app', number })?.reason)).toEqual(['ignored: it is a test', 'ignored: it is a test'])
})

function workshopOf(home: string, given: Pick<Workshop, 'queue' | 'ledger' | 'settle'>): Workshop {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const parts = { home, log, threads: 2, records: openRecords(home), pipelineOf: () => 'app', prepare: () => {}, reportsOn: async () => [], workspaces: { clear: async () => [] }, turns: openTurns(), outbox: { handOver: () => 0, deliverDue: async () => {} } }
  return { ...parts, ...given } as unknown as Workshop
}
