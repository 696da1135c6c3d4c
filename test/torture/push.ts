// `npm run torture`: deliveries flow while receiver and builder are killed (kill -9) again and again, first at every
// single change of the file system, then at random moments; and while those calls fail. Afterwards the books are balanced: see balance.ts. Prints the counts.
import { spawn, type ChildProcess } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync, mkdirSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openMailbox, type Mailbox } from './mailbox.ts'
import { freePort } from '../helpers/free-port.ts'
import { randomFrom } from '../helpers/random.ts'
import { balance } from './balance.ts'

const quern = resolve('bin/quern')
const fault = resolve('test/helpers/fault.mjs')
const secret = 'not-a-real-secret'

const rounds = Number(process.argv[2] ?? 60)
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
console.log(`torture: ${rounds} random rounds, seed ${seed}`)
const random = randomFrom(seed)

const home = mkdtempSync(join(tmpdir(), 'quern-torture-'))
const mailbox = await openMailbox()
const port = await freePort()
const accepted = new Set<string>()
const count = { deliveries: 0, 'receiver kills': 0, 'builder kills': 0, 'calls that failed': 0, 'answers lost': 0 }
try {
  furnish(home, mailbox)
  await failBuilderAtEveryCall(await killBuilderAtEveryCall())
  await killReceiverAtEveryCall()
  for (let round = 0; round < rounds; round++) await randomRound()
  await settle()
  const books = balance({ home, accepted, mailbox })
  console.table({ ...count, accepted: accepted.size, ...books.counts })
  for (const fault of books.faults) console.log(`FAULT ${fault}`)
  console.log(`${books.faults.length === 0 ? 1 : 0} passed, ${books.faults.length} failed`)
  process.exitCode = books.faults.length === 0 ? 0 : 1
} finally {
  await mailbox.close()
  if (process.exitCode === 0) rmSync(home, { recursive: true, force: true })
  else console.log(`the home is kept: ${home}`)
}

/** One entry that fails and mails, and a builder that dies at its Nth call, N rising until it lives. Returns that N. */
async function killBuilderAtEveryCall(): Promise<number> {
  const receiver = await startReceiver()
  let at = 1
  for (; ; at++) {
    await deliver(randomUUID())
    const code = await ended(startBuilder({ FAULT_AT: String(at), FAULT_ERROR: 'KILL', FAULT_PATH: home }))
    if (code === 0) break
    count['builder kills']++
    // Usually the next builder mends it; now and then it dies, too. Three deaths are a verdict of their own.
    if (at % 10 > 2) await ended(startBuilder())
  }
  await kill(receiver)
  return at
}

/** The same with calls that fail: a full disk, a broken one, a missing permission. The builder says so and the next one goes on. */
async function failBuilderAtEveryCall(calls: number): Promise<void> {
  const receiver = await startReceiver()
  for (let at = 1; at <= calls; at++) {
    await deliver(randomUUID())
    const FAULT_ERROR = ['ENOSPC', 'EIO', 'EACCES'][at % 3]!
    await ended(start(['build'], { FAULT_AT: String(at), FAULT_ERROR, FAULT_PATH: home }, 'ignore'))
    count['calls that failed']++
    await ended(startBuilder())
  }
  await kill(receiver)
}

async function killReceiverAtEveryCall(): Promise<void> {
  for (let at = 1; at < 60; at++) {
    const receiver = await startReceiver({ FAULT_AT: String(at), FAULT_ERROR: 'KILL', FAULT_PATH: home }).catch(() => undefined)
    const id = randomUUID()
    await Promise.all([deliver(id), deliver(id), deliver(randomUUID())])
    if (receiver) await kill(receiver)
    count['receiver kills']++
    const next = await startReceiver()
    await deliver(id)
    await kill(next)
  }
}

/** Deliveries flow, some twice at once; receiver and builder die somewhere in between. */
async function randomRound(): Promise<void> {
  const receiver = await startReceiver()
  const ids = Array.from({ length: 1 + Math.floor(random() * 12) }, () => randomUUID())
  const flow = Promise.all(ids.flatMap((id) => (random() < 0.3 ? [deliver(id), deliver(id)] : [deliver(id)])))
  const builder = startBuilder()
  await sleep(random() * 400)
  if (random() < 0.5) {
    count['builder kills']++
    await kill(builder)
  }
  if (random() < 0.5) {
    count['receiver kills']++
    await kill(receiver)
  }
  await flow
  await kill(receiver)
  const again = await startReceiver()
  for (const id of ids) if (!accepted.has(id)) await deliver(id)
  await kill(again)
  await ended(builder)
}

/** Ticks until nothing waits, as cron would give them. */
async function settle(): Promise<void> {
  for (let tick = 0; tick < 8; tick++) await ended(startBuilder())
}

function furnish(directory: string, { port: smtp }: Mailbox): void {
  for (const name of ['queue', 'logs', 'scripts']) mkdirSync(join(directory, name), { recursive: true })
  const settings = { SECRET: secret, SMTP_URL: `smtp://127.0.0.1:${smtp}`, HOST: '127.0.0.1', PORT: String(port), BUILD_ON_PUSH: '0', THREADS: '2', MAIL_ADMIN: 'admin@example.org', MAIL_FROM: 'quern@example.org' }
  writeFileSync(join(directory, 'environment.sh'), Object.entries(settings).map(([name, value]) => `export ${name}="${value}"\n`).join(''))
  chmodSync(join(directory, 'environment.sh'), 0o600)
  writeFileSync(join(directory, 'scripts/checkout_repos'), 'echo "$COMMIT_ID"\n')
  // Every second commit breaks; one in eight leaves a daemon behind that no signal to its group would reach.
  writeFileSync(join(directory, 'scripts/build_packages'), 'case $COMMIT_ID in *[02468ace]) ;; *) echo "error: broken on purpose"; exit 3 ;; esac\ncase $COMMIT_ID in *[2a]) setsid sleep 600 & ;; esac\n')
}

/** Sends a signed push. A 2xx is a promise, and goes into the books. */
async function deliver(id: string): Promise<void> {
  count.deliveries++
  const commit = createHmac('sha1', 'commit').update(id).digest('hex')
  const person = { name: 'Ada Example', email: 'ada@example.org' }
  const body = JSON.stringify({
    ref: 'refs/heads/main', before: '0'.repeat(40), after: commit, deleted: false,
    head_commit: { id: commit, message: 'a change', author: person, committer: person },
    repository: { id: 1, name: 'app', full_name: 'ada/app', clone_url: 'https://localhost/ada/app.git' },
    pusher: person,
  })
  const headers = {
    'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  }
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/webhook/amp_main`, { method: 'POST', headers, body, signal: AbortSignal.timeout(5000) })
    await answer.arrayBuffer()
    if (answer.ok) accepted.add(id)
  } catch {
    count['answers lost']++
  }
}

async function startReceiver(environment: Record<string, string> = {}): Promise<ChildProcess> {
  const receiver = start(['serve'], environment)
  for (let look = 0; look < 200; look++) {
    if (receiver.exitCode !== null || receiver.signalCode !== null) throw new Error(`the receiver ended: ${receiver.exitCode ?? receiver.signalCode}`)
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined)
    if (answer?.ok) return receiver
    await sleep(25)
  }
  throw new Error('the receiver does not answer')
}

function startBuilder(environment: Record<string, string> = {}): ChildProcess {
  return start(['build'], environment)
}

function start(words: string[], environment: Record<string, string>, stderr: 'inherit' | 'ignore' = 'inherit'): ChildProcess {
  const options = 'FAULT_AT' in environment ? { NODE_OPTIONS: `--import ${fault}` } : {}
  return spawn(quern, words, { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], QUERN_HOME: home, ...options, ...environment }, stdio: ['ignore', 'ignore', stderr] })
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await ended(child)
}

async function ended(child: ChildProcess): Promise<number | null> {
  while (child.exitCode === null && child.signalCode === null) await sleep(5)
  return child.exitCode
}
