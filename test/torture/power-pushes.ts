// Part of `npm run torture`: what receiver and builder ask of the disk is written down by strace, and a disk is cut from
// power after these calls. What it may have kept then (only what was flushed; all names, but the content of no file that
// was not flushed; anything in between) is given to the next receiver and builder, and the books are balanced: see
// balance.ts. Needs strace (apt-get install strace). Prints the counts.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../helpers/free-port.ts'
import { randomFrom } from '../helpers/random.ts'
import { balance } from './balance.ts'
import { openMailbox } from './mailbox.ts'
import { openDisk } from './power-cut/disk.ts'
import { cutEverywhere } from './power-cut/every-cut.ts'
import { type Call, readTrace } from './power-cut/trace.ts'
import { startTraced } from './power-cut/traced.ts'

const quern = resolve('bin/quern')
const secret = 'not-a-real-secret'
const most = Number(process.argv[2] ?? 200)
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
const random = randomFrom(seed)
console.log(`torture: about ${most} power cuts while pushes are built, seed ${seed}`)

const place = mkdtempSync(join(tmpdir(), 'quern-power-'))
const home = join(place, 'home')
const ran = join(place, 'ran')
const ids = ['one', 'two', 'three', 'four']
const mailbox = await openMailbox()
const port = await freePort()
/** What the world has been told before the power is cut. */
const told = { accepted: 0, mails: 0 }
try {
  furnish()
  const disk = openDisk(home)
  const calls = await record()
  const mails = mailbox.messageIds.splice(0)
  const faults = await cutEverywhere({ home, disk, calls, most, random, notice, goOn: () => goOn(ids.slice(0, told.accepted), mails.slice(0, told.mails)) })
  console.log(`${faults === 0 ? 1 : 0} passed, ${faults} failed`)
  process.exitCode = faults === 0 ? 0 : 1
} finally {
  await mailbox.close()
  if (process.exitCode === 0) rmSync(place, { recursive: true, force: true })
  else console.log(`the homes are kept: ${place}`)
}

function notice(call: Call): boolean {
  if (call.does !== 'write' || !call.path.startsWith('socket:')) return false
  const text = call.text.toString('latin1')
  const [accepted, mails] = [text.includes('HTTP/1.1 202'), /(^|\r\n)\.\r\n$/.test(text)]
  if (accepted) told.accepted++
  if (mails) told.mails++
  return accepted || mails
}

/** The receiver takes deliveries and starts builders, which build, fail and mail; all that they ask of the system is written down. */
async function record(): Promise<Call[]> {
  const trace = join(place, 'trace')
  const receiver = startTraced([quern, 'serve'], { to: trace, env: environment() })
  await answers()
  for (const id of ids) if ((await deliver(id)) !== 202) throw new Error(`delivery ${id} was not accepted`)
  await until('all is built and mailed', () => existsSync(join(home, 'builds')) && balance({ home, accepted: new Set(ids), mailbox }).faults.length === 0)
  spawnSync('pkill', ['-TERM', '-P', String(receiver.pid)])
  await ended(receiver)
  return readTrace(trace, resolve('.'))
}

/** The machine is up again: cron's builder, the receiver and the forge, which sends again what it was not promised, go on. Returns what is wrong then. */
async function goOn(accepted: string[], mailed: string[]): Promise<string[]> {
  mailbox.messageIds.splice(0, Infinity, ...mailed)
  rmSync(ran, { force: true })
  const complaints: string[] = []
  for (let tick = 0; tick < 2; tick++) {
    const builder = start([quern, 'build'], 'pipe')
    let said = ''
    builder.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
    await ended(builder)
    if (builder.exitCode !== 0 || said !== '') complaints.push(`the builder ended with ${builder.exitCode ?? builder.signalCode}: ${said.slice(0, 2000)}`)
  }
  complaints.push(...balance({ home, accepted: new Set(accepted), mailbox }).faults)
  const executed = existsSync(ran) ? readFileSync(ran, 'utf8').trim().split('\n') : []
  const mailedCommits = ['two', 'four'].slice(0, mailed.length).map(commitOf)
  for (const commit of executed) if (mailedCommits.includes(commit)) complaints.push(`built again after its mail was sent: ${commit}`)
  if (new Set(executed).size !== executed.length) complaints.push(`built twice: ${executed.join(', ')}`)
  const receiver = start([quern, 'serve'])
  await answers()
  for (const id of accepted) {
    const status = await deliver(id)
    if (status !== 200) complaints.push(`delivery ${id} was accepted before, and is answered ${status} when it comes again`)
  }
  receiver.kill()
  await ended(receiver)
  return complaints
}

function furnish(): void {
  for (const name of ['queue', 'logs', 'scripts']) mkdirSync(join(home, name), { recursive: true })
  const settings = { SECRET: secret, SMTP_URL: `smtp://127.0.0.1:${mailbox.port}`, HOST: '127.0.0.1', PORT: String(port), MAIL_ADMIN: 'admin@example.org', MAIL_FROM: 'quern@example.org' }
  writeFileSync(join(home, 'environment.sh'), Object.entries(settings).map(([name, value]) => `export ${name}="${value}"\n`).join(''))
  chmodSync(join(home, 'environment.sh'), 0o600)
  writeFileSync(join(home, 'scripts/checkout_repos'), 'true\n')
  writeFileSync(join(home, 'scripts/build_packages'), `echo "$COMMIT_ID" >> '${ran}'\ncase $COMMIT_ID in ${commitOf('two')}|${commitOf('four')}) echo "error: broken on purpose"; exit 3 ;; esac\n`)
}

function commitOf(id: string): string {
  return createHmac('sha1', 'commit').update(id).digest('hex')
}

async function deliver(id: string): Promise<number> {
  const commit = commitOf(id)
  const person = { name: 'Ada Example', email: 'ada@example.org' }
  const body = JSON.stringify({
    ref: `refs/heads/${id}`, before: '0'.repeat(40), after: commit, deleted: false,
    head_commit: { id: commit, message: 'a change', author: person, committer: person },
    repository: { id: 1, name: 'app', full_name: 'ada/app', clone_url: 'https://localhost/ada/app.git' },
    pusher: person,
  })
  const headers = { 'content-type': 'application/json', 'x-github-event': 'push', 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }
  const answer = await fetch(`http://127.0.0.1:${port}/webhook/amp_main`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
  return answer.status
}

function answers(): Promise<void> {
  return until('the receiver answers', () => fetch(`http://127.0.0.1:${port}/healthz`).then(({ ok }) => ok, () => false))
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; look < 600; look++) {
    if (await holds()) return
    await sleep(50)
  }
  throw new Error(`waited in vain: ${what}`)
}

function environment(): Record<string, string> {
  return { PATH: process.env['PATH']!, HOME: process.env['HOME'] ?? '/', QUERN_HOME: home }
}

function start([program, ...words]: string[], stderr: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
  return spawn(program!, words, { env: environment(), stdio: ['ignore', 'ignore', stderr] })
}

async function ended(child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) await sleep(5)
}
