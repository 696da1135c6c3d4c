// Start to end of an empty script in the sandbox, beside bare bwrap with as much isolation as its manual's examples, and
// beside bash alone; one after the other, interleaved. The rest is what Quern adds: its user, limits, environment, output.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSandbox } from '../src/executor/sandbox.ts'
import { openShell } from '../src/executor/shell.ts'
import type { Executor, Limits } from '../src/executor/executor.ts'

const runs = Number(process.argv[2] ?? 50)
const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
const [script, workspace] = [join(place, 'script.sh'), join(place, 'work')]
const bare = ['--ro-bind', '/usr', '/usr', '--symlink', 'usr/bin', '/bin', '--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64', '--ro-bind', '/etc', '/etc', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp', '--bind', place, place, '--unshare-all', '--die-with-parent', '--new-session', 'bash', script]
const limits: Limits = { timeout: 60_000, grace: 1000 }
const mebibytes = 1024 * 1024
const [sandbox, shell] = [openSandbox({ hidden: [] }), openShell('auto')]
const ways: Record<string, () => Promise<unknown>> = {
  bash: () => finished('bash', [script]),
  'bare bwrap': () => finished('bwrap', bare),
  'shell executor': () => execute(shell),
  'sandbox executor': () => execute(sandbox),
  'sandbox executor, limits': () => execute(sandbox, { ...limits, memory: 512 * mebibytes, processes: 200, fileSize: 512 * mebibytes }),
}

try {
  mkdirSync(workspace)
  writeFileSync(script, 'true\n')
  const times = Object.fromEntries(Object.keys(ways).map((way): [string, number[]] => [way, []]))
  for (let run = 0; run <= runs; run++) {
    for (const [way, start] of Object.entries(ways)) {
      const from = performance.now()
      await start()
      // The first time probes and opens things once.
      if (run > 0) times[way]!.push(performance.now() - from)
    }
  }
  const base = median(times['bare bwrap']!)
  console.table(Object.entries(times).map(([way, measured]) => ({ way, 'ms (median)': median(measured).toFixed(1), 'of bare bwrap': (median(measured) / base).toFixed(2) })))
} finally {
  rmSync(place, { recursive: true, force: true })
}

function execute(executor: Executor, given = limits) {
  return executor.execute({ id: 'bench/sandbox/1/run', script, workspace, env: { PATH: '/usr/bin:/bin' }, output: () => {}, limits: given, network: 'none' }, new AbortController().signal)
}

function finished(command: string, options: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}`))))
  })
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
