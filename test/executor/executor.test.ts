import { openSandbox } from '../../src/executor/sandbox.ts'
import { openShell } from '../../src/executor/shell.ts'
import { findProgram } from '../../src/executor/find-program.ts'
import { treeKiller } from '../../src/executor/tree-killer.ts'
import { describeExecutor } from '../helpers/executor-suite.ts'

const { kind, note } = await treeKiller('auto')

describeExecutor({ name: `shell (${kind})`, executor: openShell('auto'), holdsAll: kind !== 'group', reused: true })
if (kind === 'group') console.warn(`skipped: daemons that clear their environment, because ${note}; apt-get install util-linux bubblewrap`)

describeExecutor({ name: 'shell (group)', executor: openShell('group'), holdsAll: false })

if (findProgram('bwrap') === undefined) console.warn('skipped: the sandbox, because bubblewrap is not installed: apt-get install bubblewrap')
else describeExecutor({ name: 'sandbox', executor: openSandbox({ hidden: [] }), holdsAll: true })
