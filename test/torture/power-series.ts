// Part of `npm run torture`: the same power cuts as in power-pushes.ts, while series from a Patchwork server are polled,
// applied, built and told of. The server and the mailbox know what they were told before the cut; afterwards each patch has
// one result, and the author of a bad one one mail, by its Message-ID. Needs strace (apt-get install strace). Prints the counts.
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { BuildResult } from '../../src/model/build.ts'
import { type FakeCheck, maintainerToken, startFakePatchwork } from '../helpers/fake-patchwork.ts'
import { randomFrom } from '../helpers/random.ts'
import { openMailbox } from './mailbox.ts'
import { openDisk } from './power-cut/disk.ts'
import { cutEverywhere } from './power-cut/every-cut.ts'
import { type Call, readTrace } from './power-cut/trace.ts'
import { startTraced } from './power-cut/traced.ts'
import { openTree } from './tree.ts'

const most = Number(process.argv[2] ?? 100)
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
const random = randomFrom(seed)
console.log(`torture: about ${most} power cuts while series are built, seed ${seed}`)

const quern = resolve('bin/quern')
const place = mkdtempSync(join(tmpdir(), 'quern-power-'))
const home = join(place, 'home')
const mailbox = await openMailbox()
const fake = await startFakePatchwork()
const tree = openTree(join(home, 'tree'))
/** What the world has been told before the power is cut. */
const told = { checks: 0, mails: 0 }
/** The result of each patch, by its id. */
const expected = new Map<number, string>()
try {
  furnish()
  await run(['poll', '--since', '2026-01-01'])
  mail('good', ['fine\nnew\n'], ['success'])
  mail('bad', ['fine\nfirst\n', 'fine\nfirst\nerror: second\n'], ['success', 'fail'])
  const disk = openDisk(home)
  const calls = await record()
  const faults = faultsNow()
  if (faults.length > 0) throw new Error(`without a cut: ${faults.join('; ')}`)
  const checks = [...fake.checks].flatMap(([patch, all]) => all.map((check) => ({ patch, check }))).toSorted((one, other) => one.check.id - other.check.id)
  const mails = mailbox.messageIds.splice(0)
  const found = await cutEverywhere({ home, disk, calls, most, random, notice, goOn: () => goOn(checks.slice(0, told.checks), mails.slice(0, told.mails)) })
  console.log(`${found === 0 ? 1 : 0} passed, ${found} failed`)
  process.exitCode = found === 0 ? 0 : 1
} finally {
  await Promise.all([mailbox.close(), fake.close()])
  if (process.exitCode === 0) rmSync(place, { recursive: true, force: true })
  else console.log(`the homes are kept: ${place}`)
}

async function record(): Promise<Call[]> {
  const trace = join(place, 'trace')
  const traced = startTraced(['/bin/sh', '-c', '"$0" poll && "$0" build --threads 2 && "$0" build', quern], { to: trace, env: environment() })
  await new Promise((done) => traced.once('exit', done))
  return readTrace(trace, resolve('.'))
}

function notice(call: Call): boolean {
  if (call.does !== 'write' || !call.path.startsWith('socket:')) return false
  const text = call.text.toString('latin1')
  const [checks, mails] = [/^POST \/api\/\S+\/checks\/ /.test(text), /(^|\r\n)\.\r\n$/.test(text)]
  if (checks) told.checks++
  if (mails) told.mails++
  return checks || mails
}

/** The machine is up again, and cron goes on. Returns what is wrong then. */
async function goOn(checks: { patch: number; check: FakeCheck }[], mails: string[]): Promise<string[]> {
  mailbox.messageIds.splice(0, Infinity, ...mails)
  fake.checks.clear()
  for (const { patch, check } of checks) fake.checks.set(patch, [...(fake.checks.get(patch) ?? []), check])
  const complaints: string[] = []
  for (let tick = 0; tick < 2; tick++) {
    complaints.push(...(await run(['poll'])))
    // What was put off is due now.
    for (const name of names('outbox')) renameSync(join(home, 'outbox', name), join(home, 'outbox', name.replace(/^\d+/, '0')))
    complaints.push(...(await run(['build', '--threads', '2'])))
  }
  return [...complaints, ...faultsNow()]
}

function faultsNow(): string[] {
  const left = ['queue', 'queue/low', 'queue/claimed', 'queue/bad', 'ledger/held', 'outbox', 'outbox/dead'].flatMap((where) => names(where).map((name) => `${where}/${name} is left`))
  const wrong = [...expected].flatMap(([patch, state]) => {
    const states = (fake.checks.get(patch) ?? []).filter(({ context }) => context === 'make').map((check) => check.state)
    const results = states.filter((one) => one !== 'pending')
    return results.length === 1 && results[0] === state && states.at(-1) === state ? [] : [`patch ${patch} was told ${states.join(', ') || 'nothing'}, expected ${state} once`]
  })
  const different = new Set(mailbox.messageIds)
  const unread = names('builds/make').flatMap((number) => {
    const directory = join(home, 'builds/make', number)
    if (readdirSync(directory).length === 0) return []
    try {
      const { verdict } = JSON.parse(readFileSync(join(directory, 'result.json'), 'utf8')) as BuildResult
      JSON.parse(readFileSync(join(directory, 'request.json'), 'utf8'))
      return verdict.toUpperCase() === readFileSync(join(directory, 'status'), 'utf8').trim() ? [] : [`builds/make/${number} has two verdicts`]
    } catch (error) {
      return [`builds/make/${number}: ${(error as Error).message}`]
    }
  })
  return [...left, ...wrong, ...unread, ...(different.size === 1 ? [] : [`${different.size} different mails came, expected 1`])]
}

/** Runs quern to its end. Returns what is wrong with that. */
function run(words: string[]): Promise<string[]> {
  return new Promise((done) => {
    const child = spawn(quern, words, { env: environment(), stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.once('close', (code) => done(code === 0 && said === '' ? [] : [`quern ${words[0]} ended with ${code}: ${said.slice(0, 1000)}`]))
  })
}

/** Sends a series to the server: what each patch makes of the file, and the result that it is to have. */
function mail(name: string, states: string[], results: string[]): void {
  const texts = tree.mailsOf(...states)
  const { patches } = fake.addSeries({ name, version: 1, patches: texts.map((text, index) => ({ name: `[${index + 1}/${texts.length}] ${name}`, mail: text })) })
  patches.forEach((patch, index) => expected.set(patch, results[index]!))
}

function furnish(): void {
  for (const name of ['queue', 'logs']) mkdirSync(join(home, name))
  write('job-defs/make.yml', 'workspace: commit\nscript: |\n  cat state.txt\n  if grep -q "^error" state.txt; then exit 1; fi\n')
  const source = { url: fake.url, project: 'ffmpeg', token_env: 'PATCHWORK_TOKEN', tree: join(home, 'tree'), branch: 'main', pipelines: ['job:make'], each_patch: true, mail: { reply: true }, expire_after: 1_000_000, pace: 1000 }
  write('quern.yaml', JSON.stringify({ patchwork: [source] }))
  const settings = { SMTP_URL: `smtp://127.0.0.1:${mailbox.port}`, MAIL_ADMIN: 'admin@example.org', MAIL_FROM: 'quern@example.org', PATCHWORK_TOKEN: maintainerToken }
  write('environment.sh', Object.entries(settings).map(([name, value]) => `export ${name}="${value}"\n`).join(''))
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true })
  writeFileSync(join(home, path), text)
  chmodSync(join(home, path), 0o600)
}

function environment(): Record<string, string> {
  return { PATH: process.env['PATH']!, HOME: process.env['HOME'] ?? '/', QUERN_HOME: home }
}

/** Names in a directory of the home, directories of the house and dot files left out. */
function names(where: string): string[] {
  try {
    return readdirSync(join(home, where)).filter((name) => !name.startsWith('.') && !['low', 'tmp', 'claimed', 'bad', 'dead'].includes(name))
  } catch {
    return []
  }
}
