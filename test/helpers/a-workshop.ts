import type { Workshop } from '../../src/build/workshop.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { openTurns } from '../../src/build/turns.ts'

/** A workshop of a home in this process, with a real queue and real records, in which nothing is executed or sent. */
export function aWorkshop(home: string, given: Partial<Workshop> = {}): Workshop {
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const ledger = openLedger(home)
  const parts = { home, homeId: 'home', log, ledger, queue: openDirectoryQueue(home, { ledger }), threads: 2, records: openRecords(home), pipelineOf: () => 'app', prepare: () => {}, settle: async () => ({ ignored: 'it is a test' }), reportsOn: async () => [], workspaces: { clear: async () => [] }, turns: openTurns(), outbox: { handOver: () => 0, write: async () => {}, deliverDue: async () => {} } }
  return { ...parts, ...given } as unknown as Workshop
}
