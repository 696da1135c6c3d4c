import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Network } from './executor.ts'
import { openSandbox } from './sandbox.ts'
import { makeTemporary } from './temporary.ts'

/** Milliseconds that one may take. */
const patience = 10_000

/**
 * Executes a script that does nothing in a sandbox, as a run would be.
 * @returns why that cannot be done here, with the remedy where it is known
 */
export async function trySandbox({ network, hidden }: { network: Network; hidden: string[] }): Promise<string | undefined> {
  const directory = makeTemporary('trial')
  try {
    const [script, workspace] = [join(directory, 'script.sh'), join(directory, 'work')]
    writeFileSync(script, ':\n')
    mkdirSync(workspace)
    const execution = { id: `trial-${process.pid}/sandbox/1/${String(network)}`, script, workspace, env: {}, output: () => {}, limits: { timeout: patience, grace: 0 }, network }
    const { verdict, reason } = await openSandbox({ hidden: hidden.filter((path) => existsSync(path)) }).execute(execution, new AbortController().signal)
    return verdict === 'passed' ? undefined : (reason ?? `a script that does nothing ${verdict}`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
