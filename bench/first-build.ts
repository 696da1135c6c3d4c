// How long after the 202 the first build's script runs, where the receiver starts the builder: a new process each time, as
// the queue is empty in between. Beside it `node -e 0`, which is the largest part of it and tells how busy the machine is.
import { spawn, spawnSync } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import './environment/bare.ts'

const secret = 'not-a-real-secret'
const rounds = Number(process.argv[2] ?? 10)
const place = mkdtempSync(join(tmpdir(), 'quern-bench-'))
const started = join(place, 'started')
const port = await freePort()
furnish()
const receiver = spawn(resolve('bin/quern'), ['serve'], { env: { ...process.env, QUERN_HOME: place }, stdio: 'ignore' })
try {
  while (!(await answers())) await pause(20)
  const times: { build: number; node: number }[] = []
  for (let round = 0; round < rounds; round++) times.push({ build: await delay(), node: timeOfNode() })
  const [build, node] = [median(times.map((one) => one.build)), median(times.map((one) => one.node))]
  console.table({ 'first build after the 202': { 'ms (median)': Math.round(build), rounds: times.map((one) => Math.round(one.build)).join(' '), 'of node -e 0': (build / node).toFixed(2) }, 'node -e 0': { 'ms (median)': Math.round(node), rounds: times.map((one) => Math.round(one.node)).join(' ') } })
} finally {
  receiver.kill()
  rmSync(place, { recursive: true, force: true, maxRetries: 3 })
}

function furnish(): void {
  for (const name of ['scripts', 'queue', 'logs']) mkdirSync(join(place, name))
  writeFileSync(join(place, 'scripts/checkout_repos'), `echo $EPOCHREALTIME > ${started}\n`)
  writeFileSync(join(place, 'scripts/build_packages'), 'true\n')
  writeFileSync(join(place, 'environment.sh'), `export SECRET="${secret}"\nexport HOST="127.0.0.1"\nexport PORT="${port}"\nexport CLONE_BASE="https://localhost"\n`)
}

/** Milliseconds from the answer to the script's first words. */
async function delay(): Promise<number> {
  rmSync(started, { force: true })
  const body = readFileSync('test/fixtures/github/push.json', 'utf8')
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const headers = { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': randomUUID(), 'x-hub-signature-256': signature }
  const { status } = await fetch(`http://127.0.0.1:${port}/webhook/amp_main`, { method: 'POST', body, headers })
  const answered = performance.timeOrigin + performance.now()
  if (status !== 202) throw new Error(`expected 202, got ${status}`)
  while (!existsSync(started) || readFileSync(started, 'utf8') === '' || busy()) await pause(20)
  await pause(300)
  return Number(readFileSync(started, 'utf8')) * 1000 - answered
}

function busy(): boolean {
  return readdirSync(join(place, 'queue/claimed')).length > 0
}

function timeOfNode(): number {
  const start = performance.now()
  spawnSync(process.execPath, ['-e', '0'])
  return performance.now() - start
}

function answers(): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/healthz`).then(() => true, () => false)
}

function freePort(): Promise<number> {
  return new Promise((resolvePort) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo
      server.close(() => resolvePort(free))
    })
  })
}

function median(numbers: number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]!
}
