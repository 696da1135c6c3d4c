import { openContainer } from '../../src/executor/container.ts'
import type { Execution } from '../../src/executor/executor.ts'
import { openSandbox } from '../../src/executor/sandbox.ts'
import { openShell } from '../../src/executor/shell.ts'
import { treeKiller } from '../../src/executor/tree-killer.ts'

/** A builder in miniature, in a process of its own: executes what its argument says, prints the output and then the ending as JSON. */
const { executor, execution } = JSON.parse(process.argv[2]!) as { executor: 'shell' | 'sandbox' | 'container'; execution: Execution }
const container = () => openContainer({ engine: 'auto', engineOptions: [], engineEnvironment: {}, pull: 'never', user: 'auto' })
const opened = executor === 'shell' ? openShell('auto') : executor === 'sandbox' ? openSandbox({ hidden: [] }) : container()
let output = ''
const ending = await opened.execute({ ...execution, output: (chunk) => void (output += Buffer.from(chunk).toString()) }, new AbortController().signal)
process.stdout.write(JSON.stringify({ ...ending, output, uid: process.getuid?.(), treeKiller: (await treeKiller('auto')).kind }))
