import { openContainer } from '../../src/executor/container.ts'
import type { BuildNetwork, Ending, Execution } from '../../src/executor/executor.ts'
import { openNetworkNamespace } from '../../src/executor/network-namespace.ts'
import { openSandbox } from '../../src/executor/sandbox.ts'
import { openShell } from '../../src/executor/shell.ts'
import { treeKiller } from '../../src/executor/tree-killer.ts'

/** A builder in miniature, in a process of its own: executes what its argument says, prints the output and then the ending as JSON. */
const { executor, execution, service } = JSON.parse(process.argv[2]!) as { executor: 'shell' | 'sandbox' | 'container'; execution: Execution; service?: Execution }
const container = () => openContainer({ engine: 'auto', engineOptions: [], engineEnvironment: {}, pull: 'never', user: 'auto' })
const opened = executor === 'shell' ? openShell('auto') : executor === 'sandbox' ? openSandbox({ hidden: [] }) : container()
let output = ''
const take = (chunk: Uint8Array) => void (output += Buffer.from(chunk).toString())
const ending = await (service === undefined ? opened.execute({ ...execution, output: take }, new AbortController().signal) : executeWith(service))
process.stdout.write(JSON.stringify({ ...ending, output, uid: process.getuid?.(), treeKiller: (await treeKiller('auto')).kind }))

/** In the sandbox both share a network of their own. */
async function executeWith(beside: Execution): Promise<Ending> {
  let network: BuildNetwork | undefined
  try {
    network = executor === 'sandbox' ? await openNetworkNamespace(execution.id.slice(0, execution.id.lastIndexOf('/')), { inwards: execution.network === 'none' }) : undefined
  } catch (error) {
    return { verdict: 'errored', reason: (error as Error).message }
  }
  const over = new AbortController()
  const serving = opened.execute({ ...beside, ...network?.reach, output: take }, over.signal)
  const ended = await opened.execute({ ...execution, ...network?.reach, output: take }, new AbortController().signal)
  over.abort()
  await serving
  await network?.remove()
  return ended
}
