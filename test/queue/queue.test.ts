import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { describeQueue } from './queue-contract.ts'

describeQueue('the directory queue', async () => {
  const home = tempDir()
  const ledger = openLedger(`${home}/ledger`)
  return { queue: openDirectoryQueue(home, { ledger }), reopen: async () => openDirectoryQueue(home, { ledger }) }
})
