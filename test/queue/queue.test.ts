import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { memoryDir } from '../helpers/memory-dir.ts'
import { describeQueue } from './queue-contract.ts'

describeQueue('the directory queue', async () => {
  const home = memoryDir()
  const ledger = openLedger(`${home}/ledger`)
  return { queue: openDirectoryQueue(home, { ledger }), reopen: async () => openDirectoryQueue(home, { ledger }) }
})
