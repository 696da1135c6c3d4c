// `jiti short-of-descriptors-child.ts EXECUTOR SCRIPT WORKSPACE`, with a low limit of open files: executes a run while 0, 1, 2 and
// more descriptors are free, until all went well ten times in a row, and prints what became of each as a line of JSON.
import { closeSync, openSync } from 'node:fs'
import { openSandbox } from '../../src/executor/sandbox.ts'
import { openShell } from '../../src/executor/shell.ts'

const [kind, script, workspace] = process.argv.slice(2) as [string, string, string]
const executor = kind !== 'sandbox' ? openShell('auto') : openSandbox({ hidden: [] })
const run = () => executor.execute({ id: `short-${process.pid}/p/1/r`, script, workspace, env: { PATH: '/usr/bin:/bin', ...(kind === 'alone' && { OPTARG: 'x' }) }, output: () => {}, network: 'none', limits: { timeout: 60_000, grace: 100 } }, new AbortController().signal)

console.log(JSON.stringify(await run()))
for (let spare = 0, well = 0; well < 10 && spare < 60; spare++) {
  const taken = takeAll()
  for (const descriptor of taken.splice(0, spare)) closeSync(descriptor)
  const ending = await run()
  for (const descriptor of taken) closeSync(descriptor)
  console.log(JSON.stringify(ending))
  well = ending.verdict === 'passed' ? well + 1 : 0
}
process.exit()

function takeAll(): number[] {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch {
    return taken
  }
}
