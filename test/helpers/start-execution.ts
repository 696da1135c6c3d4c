import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSync } from 'esbuild'
import { onTestFinished } from 'vitest'
import type { Ending, Execution } from '../../src/executor/executor.ts'
import { findProgram, programDirectories } from '../../src/executor/find-program.ts'
import { removeLeftGroups } from '../../src/executor/limit-group.ts'
import { tempDir } from './temp-dir.ts'

export interface ChildEnding extends Ending {
  output: string
  uid: number
  treeKiller: string
}

interface Circumstances {
  uid?: number
  without?: string[]
  namespaces?: boolean
  node?: string
  /** Files of the host with other contents. */
  files?: Record<string, string>
  /** Executed beside it until it has ended. */
  service?: Execution
}

/** Starts a process that executes this by itself; as another user, or on a host without some programs, where root says so. */
export function startExecution(executor: 'shell' | 'sandbox' | 'container', execution: Execution, { uid, without = [], namespaces = true, node = process.execPath, files = {}, service }: Circumstances = {}): { child: ChildProcess; ended: Promise<ChildEnding> } {
  const outfile = join(tempDir(), 'child.mjs')
  buildSync({ entryPoints: ['test/helpers/execute-child.ts'], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  const command = [node, outfile, JSON.stringify({ executor, execution, service })]
  if (!namespaces) command.unshift(...forbiddingNamespaces())
  if (uid !== undefined) {
    for (const { workspace } of [execution, ...(service === undefined ? [] : [service])]) give(dirname(workspace), uid)
    chmodSync(dirname(outfile), 0o755)
    command.unshift(findProgram('setpriv')!, '--reuid', String(uid), '--regid', String(uid), '--clear-groups')
  }
  if (without.length > 0 || Object.keys(files).length > 0) command.unshift(...mounting([...hidden(without), ...replaced(files)]))
  const child = spawn(command[0]!, command.slice(1), { cwd: '/', env: { PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'pipe', 'inherit'] })
  // Where it was killed, nobody else will: no builder follows in its home.
  onTestFinished(() => removeLeftGroups(execution.id.split('/')[0]!))
  return { child, ended: answerOf(child) }
}

/** In a mount namespace of its own. */
function mounting(mounts: { from: string; to: string }[]): string[] {
  return [findProgram('unshare')!, '--mount', findProgram('sh')!, '-c', `${['true', ...mounts.map(({ from, to }) => `mount --bind ${from} ${to}`)].join(' && ')} && exec "$@"`, 'sh']
}

/** The programs are empty files that cannot be executed, wherever one of that name is. */
function hidden(programs: string[]) {
  const places = [...programDirectories, ...process.env['PATH']!.split(':')]
  return [...new Set(programs.flatMap((name) => places.map((place) => join(place, name))).filter((path) => existsSync(path)))].map((to) => ({ from: '/dev/null', to }))
}

function replaced(files: Record<string, string>) {
  return Object.entries(files).map(([to, text]) => {
    const from = join(tempDir(), 'file')
    writeFileSync(from, text, { mode: 0o755 })
    return { from, to }
  })
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
