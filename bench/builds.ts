// Builds per second of no-op chunks, against `xargs -P2` running the very scripts that those builds run; interleaved, and
// again on top of many finished builds, since the cost of a build must not grow with their number. Three threads keep two
// cores busy: while one build is claimed or decided, two run.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { planChunks } from '../src/plan/chunks.ts'
import { noGrants } from '../src/plan/grants.ts'
import { aRequest } from '../test/helpers/a-request.ts'
import './environment/bare.ts'

const quern = resolve('bin/quern')
const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
const home = join(place, 'home')
const count = Number(process.argv[2] ?? 300)
const rows = []
try {
  furnish()
  const script = writeScript()
  for (let round = 0; round < 5; round++) {
    const xargs = perSecond(() => runByXargs(script))
    const [two, three] = [2, 3].map((threads) => perSecond(runByQuern(2 * round + threads, threads))) as [number, number]
    rows.push({ 'finished before': 2 * round * count, 'xargs -P2 (/s)': xargs, '2 threads (/s)': two, ratio: (two / xargs).toFixed(2), '3 threads (/s)': three, 'ratio of 3': (three / xargs).toFixed(2) })
  }
  console.table(rows)
} finally {
  rmSync(place, { recursive: true, force: true })
}

function furnish(): void {
  for (const name of ['scripts', 'queue', 'logs']) mkdirSync(join(home, name), { recursive: true })
  writeFileSync(join(home, 'scripts/checkout_repos'), 'true\n')
  writeFileSync(join(home, 'scripts/build_packages'), 'true\n')
  writeFileSync(join(home, 'environment.sh'), 'export CLONE_BASE="https://localhost"\n')
}

/** The same text that a build of these chunks executes. */
function writeScript(): string {
  const planned = planChunks(aRequest(), '', {
    directories: [join(home, 'scripts')],
    distributeRefs: [],
    timeout: 1,
    grants: noGrants,
    clone: { CLONE_BASE: 'https://localhost', CLONE_WITH: '' },
  })
  if ('ignored' in planned) throw new Error(planned.ignored)
  const path = join(place, 'script')
  writeFileSync(path, planned.runs[0]!.script)
  return path
}

function runByXargs(script: string): void {
  const output = join(place, 'output')
  execFileSync('sh', ['-c', `seq ${count} | xargs -P2 -n1 bash ${script} > ${output} 2>&1`])
}

/** Drops the entries in first, outside the time that counts. */
function runByQuern(round: number, threads: number): () => void {
  for (let index = 0; index < count; index++) {
    const name = `${1_700_000_000 + round}.${String(index).padStart(6, '0')}-bench.json`
    writeFileSync(join(home, 'queue', name), JSON.stringify(aRequest()))
  }
  return () => execFileSync(quern, ['build', '--threads', String(threads)], { env: { ...process.env, QUERN_HOME: home } })
}

function perSecond(run: () => void): number {
  const start = performance.now()
  run()
  return Math.round((count / (performance.now() - start)) * 1000)
}
