import { copyFileSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { pruneDecided } from '../../src/queue/prune.ts'
import { aRequest } from '../helpers/a-request.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a copy of an entry that is forgotten leaves the delivery of the entry itself known', async () => {
  const home = tempDir()
  const queue = openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) })
  const { entry } = await queue.enqueue(aRequest({ hook: 'main', delivery: 'd-1' }))
  const done = join(home, 'ledger/done')
  copyFileSync(join(home, 'queue', entry), join(done, 'copy.json'))
  utimesSync(join(done, 'copy.json'), 1, 1)
  expect(pruneDecided(home, { before: 10_000, dryRun: false })).toBe(1)
  expect(readdirSync(done)).toEqual([])
  expect(await queue.enqueue(aRequest({ hook: 'main', delivery: 'd-1' }))).toEqual({ entry, duplicate: true })
})
