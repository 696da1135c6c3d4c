// Walks entries through every state, telling each step that is done on stdout; the test kills it between any two.
import { writeSync } from 'node:fs'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { aRequest } from '../helpers/a-request.ts'

const home = process.argv[2]!
const queue = openDirectoryQueue(home, { ledger: openLedger(`${home}/ledger`) })
let number = 0

function tell(step: string): void {
  writeSync(1, `${step}\n`)
}

async function claim() {
  const claimed = await queue.claim(() => ({ pipeline: 'tool', number: ++number }))
  tell(`claimed ${claimed!.entry} ${claimed!.build.number}`)
  return claimed!
}

const delivered = aRequest({ hook: 'main', delivery: 'd-1' })
tell(`accepted ${(await queue.enqueue(delivered)).entry}`)
tell(`accepted ${(await queue.enqueue(delivered)).entry}`)
tell(`accepted ${(await queue.enqueue(aRequest())).entry}`)
tell(`accepted ${(await queue.enqueue(aRequest({ hook: 'main', delivery: 'd-low' }), { low: true })).entry}`)
const first = await claim()
await queue.release(first, { died: true })
const again = await claim()
await queue.finish(again)
tell(`decided ${again.entry}`)
const second = await claim()
await queue.bury(second, 'no such thing')
tell(`decided ${second.entry}`)
const third = await claim()
await queue.release(third)
await queue.drop(third.entry)
tell(`decided ${third.entry}`)
