// Enqueues 200 deliveries from a given time on, so that a second process does the same at once.
import { setTimeout } from 'node:timers/promises'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { aRequest } from '../helpers/a-request.ts'

const [, , home, start] = process.argv
const queue = openDirectoryQueue(home!, { ledger: openLedger(`${home}/ledger`) })
await setTimeout(Math.max(Number(start) - Date.now(), 0))
for (let index = 0; index < 200; index += 10) {
  const batch = Array.from({ length: 10 }, (_, offset) => queue.enqueue(aRequest({ hook: 'main', delivery: `d-${index + offset}` })))
  for (const { entry, duplicate } of await Promise.all(batch)) console.log(entry, duplicate)
}
