import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ending, Execution, Executor } from '../../src/executor/executor.ts'
import { tempDir } from './temp-dir.ts'

export interface Ran extends Ending {
  output: string
  bytes: Buffer
  workspace: string
}

/** PATH and the rest of a bare environment, as a build gives it. */
export const bareEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' }

let count = 0

/** Executes a script in a fresh workspace and gathers its output. */
export async function runScript(executor: Executor, script: string, given: Partial<Execution> & { signal?: AbortSignal } = {}): Promise<Ran> {
  const execution = makeExecution(script, given)
  const chunks: Buffer[] = []
  const ending = await executor.execute({ ...execution, output: given.output ?? ((chunk) => void chunks.push(Buffer.from(chunk))) }, given.signal ?? new AbortController().signal)
  const bytes = Buffer.concat(chunks)
  return { ...ending, output: bytes.toString(), bytes, workspace: execution.workspace }
}

/** An execution of a script in a fresh workspace, with a minute to run and short patience. */
export function makeExecution(script: string, { limits, ...given }: Partial<Execution> = {}): Execution {
  const directory = tempDir()
  const workspace = join(directory, 'work')
  mkdirSync(workspace)
  const path = join(directory, 'script.sh')
  writeFileSync(path, script)
  return {
    id: `test-${process.pid}/suite/1/run-${++count}`,
    script: path,
    workspace,
    env: bareEnvironment,
    output: () => {},
    network: 'none',
    ...given,
    limits: { timeout: 60_000, grace: 500, ...limits },
  }
}
