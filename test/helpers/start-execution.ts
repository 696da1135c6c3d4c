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

/** Starts a process that executes this by itself; as another user, or on a host without some programs, where root says so. */
export function startExecution(executor: 'shell' | 'sandbox' | 'container', execution: Execution, { uid, without = [], namespaces = true, node = process.execPath }: { uid?: number; without?: string[]; namespaces?: boolean; node?: string } = {}): { child: ChildProcess; ended: Promise<ChildEnding> } {
  const outfile = join(tempDir(), 'child.mjs')
  buildSync({ entryPoints: ['test/helpers/execute-child.ts'], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  const command = [node, outfile, JSON.stringify({ executor, execution })]
  if (!namespaces) command.unshift(...forbiddingNamespaces())
  if (uid !== undefined) {
    give(dirname(execution.workspace), uid)
    chmodSync(dirname(outfile), 0o755)
    command.unshift(findProgram('setpriv')!, '--reuid', String(uid), '--regid', String(uid), '--clear-groups')
  }
  if (without.length > 0) command.unshift(...hiding(without))
  const child = spawn(command[0]!, command.slice(1), { cwd: '/', env: { PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'pipe', 'inherit'] })
  return { child, ended: answerOf(child) }
}

/** In a mount namespace of its own, the programs are empty files that cannot be executed. */
function hiding(programs: string[]): string[] {
  const mounts = programs.map(findProgram).filter((path) => path !== undefined).map((path) => `mount --bind /dev/null ${path}`)
  return [findProgram('unshare')!, '--mount', findProgram('sh')!, '-c', `${['true', ...mounts].join(' && ')} && exec "$@"`, 'sh']
}

/** In a user namespace of its own, in which nobody may make another. */
function forbiddingNamespaces(): string[] {
  const forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'
  return [findProgram('unshare')!, '--user', '--map-current-user', '--keep-caps', findProgram('sh')!, '-c', forbid, 'sh']
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
