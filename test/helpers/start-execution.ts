import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, chmodSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSync } from 'esbuild'
import type { Ending, Execution } from '../../src/executor/executor.ts'
import { findProgram } from '../../src/executor/find-program.ts'
import { tempDir } from './temp-dir.ts'

export interface ChildEnding extends Ending {
  output: string
  uid: number
  treeKiller: string
}

/** Starts a process that executes this by itself, as another user where one is given (root only). */
export function startExecution(executor: 'shell' | 'sandbox', execution: Execution, uid?: number): { child: ChildProcess; ended: Promise<ChildEnding> } {
  const outfile = join(tempDir(), 'child.mjs')
  buildSync({ entryPoints: ['test/helpers/execute-child.ts'], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  const command = [process.execPath, outfile, JSON.stringify({ executor, execution })]
  if (uid !== undefined) {
    give(dirname(execution.workspace), uid)
    chmodSync(dirname(outfile), 0o755)
    command.unshift(findProgram('setpriv')!, '--reuid', String(uid), '--regid', String(uid), '--clear-groups')
  }
  const child = spawn(command[0]!, command.slice(1), { cwd: '/', env: { PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, ended: answerOf(child) }
}

function answerOf(child: ChildProcess): Promise<ChildEnding> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.on('close', (code, signal) => (text === '' ? reject(new Error(`the child ended with ${code ?? signal}`)) : resolve(JSON.parse(text) as ChildEnding)))
  })
}

function give(directory: string, uid: number): void {
  chownSync(directory, uid, uid)
  for (const entry of readdirSync(directory)) chownSync(join(directory, entry), uid, uid)
}
