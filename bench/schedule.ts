// The cost of scheduling: a plan of 1,000 no-op runs by two threads against `make -j2` of the same shell commands, and the
// memory of the builder that holds it.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import './environment/bare.ts'

const quern = resolve('bin/quern')
const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
const home = join(place, 'home')
const count = 1000
try {
  furnish()
  const rounds = []
  for (let round = 0; round < 3; round++) {
    const make = time(() => execFileSync('make', ['-s', '-j2', '-f', join(place, 'Makefile')], { stdio: 'ignore' }))
    const { seconds, memory } = await buildOnce()
    rounds.push({ 'make -j2 (s)': make.toFixed(2), 'quern (s)': seconds.toFixed(2), ratio: (seconds / make).toFixed(2), 'peak memory (MiB)': memory })
  }
  console.table(rounds)
} finally {
  rmSync(place, { recursive: true, force: true })
}

/** A matrix of one parameter with 1,000 values, and a rule for each in a Makefile: the same bash, the same script. */
function furnish(): void {
  execFileSync(quern, ['init', home])
  mkdirSync(join(home, 'job-defs'), { recursive: true })
  writeFileSync(join(home, 'job-defs/nothing.yml'), 'executor: shell\nworkspace: none\nparams:\n  - {name: value}\nscript: |\n  true\n')
  const script = join(place, 'script')
  writeFileSync(script, 'set -e\ntrue\n')
  const targets = Array.from({ length: count }, (_, index) => `run-${index}`)
  writeFileSync(join(place, 'Makefile'), `all: ${targets.join(' ')}\n${targets.map((target) => `${target}:\n\t@bash ${script}\n`).join('')}.PHONY: all ${targets.join(' ')}\n`)
}

async function buildOnce(): Promise<{ seconds: number; memory: number }> {
  const runs = Array.from({ length: count }, (_, index) => ['--run', `name=run ${index},params.value=${index}`]).flat()
  execFileSync(quern, ['start', 'nothing', ...runs], { env: environment() })
  const start = performance.now()
  const builder = spawn(quern, ['build', '--threads', '2'], { env: environment(), stdio: 'ignore' })
  let memory = 0
  while (builder.exitCode === null) {
    memory = Math.max(memory, peakOf(builder.pid!))
    await sleep(20)
  }
  return { seconds: (performance.now() - start) / 1000, memory }
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, QUERN_HOME: home }
}

/** MiB; 0 where the process has gone. https://man7.org/linux/man-pages/man5/proc_pid_status.5.html */
function peakOf(pid: number): number {
  try {
    return Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024)
  } catch {
    return 0
  }
}

function time(call: () => void): number {
  const start = performance.now()
  call()
  return (performance.now() - start) / 1000
}
