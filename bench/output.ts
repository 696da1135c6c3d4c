// 1 GB of line output through the shell executor into a console.log, beside bash with its output `> file`; interleaved,
// for three producers. A producer faster than a copy (dd of large blocks) is not among them: it is bound by the copy.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

const size = Number(process.argv[2] ?? 1_000_000_000)
const rounds = Number(process.argv[3] ?? 3)
const producers = { yes: `yes 'a line of output, as long as many are' | head -c ${size}`, seq: seqOf(size), 'seq-head': `seq 1 200000000 | head -c ${size}` }

const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
const runOnce = join(place, 'run-once.mjs')
try {
  buildSync({ entryPoints: ['bench/output/run-once.ts'], outfile: runOnce, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  console.table(Object.entries(producers).flatMap(([name, command]) => measure(name, command)))
} finally {
  rmSync(place, { recursive: true, force: true })
}

/** The numbers from 1 on whose lines are that many bytes, the last ones filled up, by one process: with `| head -c` two are busy. */
function seqOf(bytes: number): string {
  let left = bytes
  let last = 0
  for (let digits = 1; left > 0; digits++) {
    const count = Math.min(9 * 10 ** (digits - 1), Math.floor(left / (digits + 1)))
    last += count
    left -= count * (digits + 1)
    if (count < 9 * 10 ** (digits - 1)) break
  }
  return `seq 1 ${last}${left > 0 ? `; head -c ${left} /dev/zero` : ''}`
}

interface Measured {
  milliseconds: number
  peak: number
}

function measure(producer: string, command: string) {
  const script = join(place, `${producer}.sh`)
  writeFileSync(script, `${command}\n`)
  const ways: Record<string, () => Measured> = {
    '> file': () => intoFile(script),
    'whole log': () => throughQuern(script, size * 2),
    'three secrets masked': () => throughQuern(script, size * 2, 'not-a-real-secret,another-fake-one,third-of-the-fakes'),
    'log capped at 10 MB': () => throughQuern(script, 10_000_000),
  }
  const results = Object.fromEntries(Object.keys(ways).map((way): [string, Measured[]] => [way, []]))
  for (let round = 0; round < rounds; round++) for (const [way, run] of Object.entries(ways)) results[way]!.push(run())
  const bare = median(results['> file']!.map(({ milliseconds }) => milliseconds))
  return Object.entries(results).map(([way, measured]) => {
    const times = measured.map(({ milliseconds }) => milliseconds)
    return { producer, way, 'ms (median)': Math.round(median(times)), rounds: times.map(Math.round).join(' '), ratio: (median(times) / bare).toFixed(2), 'peak MB': way === '> file' ? '' : Math.round(Math.max(...measured.map(({ peak }) => peak)) / 1e6) }
  })
}

function intoFile(script: string): Measured {
  const start = performance.now()
  execFileSync('bash', ['-c', `bash ${script} > ${join(place, 'plain.log')} 2>&1`])
  const milliseconds = performance.now() - start
  rmSync(join(place, 'plain.log'))
  return { milliseconds, peak: 0 }
}

function throughQuern(script: string, limit: number, secrets?: string): Measured {
  const answer = JSON.parse(execFileSync(process.execPath, [runOnce, script, place, String(limit), ...(secrets === undefined ? [] : [secrets])], { encoding: 'utf8' })) as Measured & { verdict: string; bytes: number }
  rmSync(join(place, 'console.log'))
  if (answer.verdict !== 'passed' || answer.bytes !== size) throw new Error(`expected ${size} bytes and passed, got ${answer.bytes} and ${answer.verdict}`)
  return answer
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
