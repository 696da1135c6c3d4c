// A tick of cron with nothing waiting, against `node -e 0`: with an empty home, and with 10,000 finished builds in it.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import './environment/bare.ts'

const quern = resolve('bin/quern')
const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
const home = join(place, 'home')
const rounds = 15
try {
  execFileSync(quern, ['init', home])
  const empty = compare()
  for (let number = 1; number <= 10_000; number++) mkdirSync(join(home, 'builds/app', String(number)), { recursive: true })
  for (let number = 1; number <= 10_000; number++) writeFileSync(join(home, 'ledger/done', `${number}.json`), '')
  const full = compare()
  console.table({ 'empty home': empty, '10,000 finished builds': full })
} finally {
  rmSync(place, { recursive: true, force: true })
}

/** Medians in milliseconds, the two commands taking turns. */
function compare() {
  const times = Array.from({ length: rounds }, () => ({ tick: time(quern, ['build']), node: time(process.execPath, ['-e', '0']) }))
  const tick = median(times.map((one) => one.tick))
  const node = median(times.map((one) => one.node))
  return { 'quern build (ms)': tick.toFixed(2), 'node -e 0 (ms)': node.toFixed(1), ratio: (tick / node).toFixed(3) }
}

function time(command: string, words: string[]): number {
  const start = performance.now()
  spawnSync(command, words, { env: { ...process.env, QUERN_HOME: home }, stdio: 'ignore' })
  return performance.now() - start
}

function median(numbers: number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]!
}
