// Part of `npm run torture`: series of mails flow into a Patchwork server while the poller and the builder are killed
// (kill -9) at random moments, and the server is away now and then. Afterwards each series has one decision, one set of
// checks and one mail at most, by its Message-ID. Prints the counts.
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BuildResult } from '../../src/model/build.ts'
import type { Request } from '../../src/model/request.ts'
import { maintainerToken, startFakePatchwork } from '../helpers/fake-patchwork.ts'
import { randomFrom } from '../helpers/random.ts'
import { openMailbox } from './mailbox.ts'
import { openTree } from './tree.ts'

/** One series that was mailed. */
interface Mailed {
  id: number
  patches: number[]
  kind: Kind
  /** A newer version of it came. */
  superseded: boolean
}

/** The states that the checks on the patches of each kind end in; and where only the whole is tested. */
const kinds = {
  good: { each: ['success'], whole: ['success'] },
  red: { each: ['fail'], whole: ['fail'] },
  'second red': { each: ['success', 'fail', 'warning'], whole: [undefined, 'fail', 'warning'] },
  warned: { each: ['warning', 'success'], whole: [undefined, 'warning'] },
}
type Kind = keyof typeof kinds

const wanted = Number(process.argv[2] ?? 200)
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
const random = randomFrom(seed)
const eachPatch = random() < 0.5
console.log(`torture: ${wanted} series, seed ${seed}, ${eachPatch ? 'each patch' : 'the whole'} of them tested`)

const contexts = ['make_x86', 'make_ppc']
const home = mkdtempSync(join(tmpdir(), 'quern-torture-'))
const mailbox = await openMailbox()
const fake = await startFakePatchwork()
const mailed: Mailed[] = []
const count = { 'poller kills': 0, 'builder kills': 0, 'newer versions': 0 }
try {
  const mails = furnish()
  await ended(start(['poll', '--since', '2026-01-01']))
  while (mailed.length < wanted) await round(mails)
  await settle()
  const faults = balance()
  console.table({ series: mailed.length, ...count, checks: [...fake.checks.values()].flat().length, mails: mailbox.messageIds.length, 'different mails': new Set(mailbox.messageIds).size })
  for (const fault of faults) console.log(`FAULT ${fault}`)
  console.log(`${faults.length === 0 ? 1 : 0} passed, ${faults.length} failed`)
  process.exitCode = faults.length === 0 ? 0 : 1
} finally {
  await Promise.all([mailbox.close(), fake.close()])
  if (process.exitCode === 0) rmSync(home, { recursive: true, force: true })
  else console.log(`the home is kept: ${home}`)
}

/** Series come, the poller and the builder run, and die somewhere in between. */
async function round(mails: Record<Kind, string[]>): Promise<void> {
  const many = Math.min(1 + Math.floor(random() * 5), wanted - mailed.length)
  for (let one = 0; one < many; one++) mail(mails)
  if (random() < 0.2) fake.troubles.push({ match: /./, times: Math.ceil(random() * 5), status: 502, body: '<html>Bad Gateway</html>' })
  const poller = start(['poll'])
  await sleep(random() * 1000)
  await killSometimes(poller, 'poller kills')
  // One that came first would find nothing to build, and be gone.
  const builder = start(['build', '--threads', '2'])
  await sleep(random() * 3000)
  await killSometimes(builder, 'builder kills')
  await Promise.all([ended(poller), ended(builder)])
}

function mail(mails: Record<Kind, string[]>): void {
  const number = mailed.length + 1
  const older = random() < 0.2 ? mailed.findLast(({ superseded }) => !superseded) : undefined
  const kind = (Object.keys(kinds) as Kind[])[Math.floor(random() * 4)]!
  const texts = mails[kind].map((text) => text.replaceAll('UNIQUE', String(number)))
  const name = older === undefined ? `state: series ${number}` : fake.series.get(older.id)!.name!
  const version = older === undefined ? 1 : fake.series.get(older.id)!.version + 1
  const brackets = (index: number) => [...(version > 1 ? [`v${version}`] : []), ...(texts.length > 1 ? [`${index + 1}/${texts.length}`] : [])].join(',')
  const { id, patches } = fake.addSeries({ name, version, patches: texts.map((text, index) => ({ name: `[${brackets(index)}] ${name}`, mail: text })) })
  if (older !== undefined) {
    older.superseded = true
    count['newer versions']++
  }
  mailed.push({ id, patches, kind, superseded: false })
}

async function killSometimes(child: ChildProcess, what: 'poller kills' | 'builder kills'): Promise<void> {
  if (random() < 0.3 || child.exitCode !== null) return
  child.kill('SIGKILL')
  await ended(child)
  count[what]++
}

/** Ticks as cron gives them, until nothing waits any more. */
async function settle(): Promise<void> {
  fake.troubles.length = 0
  for (let tick = 0; tick < 20; tick++) {
    await ended(start(['poll']))
    for (const name of names('outbox')) renameSync(join(home, 'outbox', name), join(home, 'outbox', name.replace(/^\d+/, '0')))
    await ended(start(['build', '--threads', '2']))
    if (tick > 1 && ['queue', 'queue/low', 'queue/claimed', 'ledger/held', 'outbox'].every((place) => names(place).length === 0)) return
  }
}

function balance(): string[] {
  const faults = ['queue', 'queue/low', 'queue/claimed', 'ledger/held', 'outbox'].flatMap((place) => names(place).map((name) => `${place}/${name} is left`))
  const results = readResults(faults)
  const expectedMails = new Set<string>()
  for (const series of mailed) {
    const mine = results.filter(({ request }) => request.series?.id === series.id && request.blame === undefined)
    const pipelines = mine.map(({ request }) => request.pipeline)
    if (new Set(pipelines).size !== pipelines.length) faults.push(`series ${series.id} was built more than once: ${pipelines.join(', ')}`)
    if (!series.superseded && mine.length !== contexts.length) faults.push(`series ${series.id} has ${mine.length} builds, expected ${contexts.length}`)
    const errored = mine.some(({ result }) => result.verdict === 'errored')
    if (!errored) faults.push(...faultsOfChecks(series))
    if (!series.superseded && isRed(series) && !errored) expectedMails.add(`<series-${new URL(fake.url).host.replace(/[.:]/g, '-')}-${series.id}@example.org>`)
  }
  const replies = new Set(mailbox.messageIds.filter((id) => id.startsWith('<series-')))
  for (const id of expectedMails) if (!replies.has(id)) faults.push(`the mail ${id} was never sent`)
  const reds = new Set(mailed.filter(isRed).map(({ id }) => id))
  for (const id of replies) if (!reds.has(Number(/-(\d+)@/.exec(id)?.[1]))) faults.push(`the mail ${id} blames a series that is good`)
  return faults
}

/** One result for each job on each patch, none where a newer version came before it; `pending` once at most, and never last. */
function faultsOfChecks({ id, patches, kind, superseded }: Mailed): string[] {
  return patches.flatMap((patch, index) =>
    contexts.flatMap((context) => {
      const states = (fake.checks.get(patch) ?? []).filter((check) => check.context === context).map(({ state }) => state)
      const what = `series ${id}, patch ${patch}, ${context}: ${states.join(', ') || 'nothing'}`
      const last = states.at(-1)
      const expected = kinds[kind][eachPatch ? 'each' : 'whole'][index]
      if (states.filter((state) => state === 'pending').length > 1 || states.filter((state) => state !== 'pending').length > 1) return [`${what}: told twice`]
      if (superseded) return last === undefined || last === 'pending' || last === expected ? [] : [`${what}: expected ${expected}`]
      return last === expected ? [] : [`${what}: expected ${expected}`]
    }),
  )
}

function isRed({ kind }: Mailed): boolean {
  return kinds[kind].each.includes('fail')
}

function readResults(faults: string[]): { request: Request; result: BuildResult }[] {
  return ['x86~make', 'ppc~make'].flatMap((pipeline) =>
    names(join('builds', pipeline)).flatMap((number) => {
      const directory = join(home, 'builds', pipeline, number)
      if (readdirSync(directory).every((name) => name === 'cancel')) return []
      try {
        const read = (name: string): unknown => JSON.parse(readFileSync(join(directory, name), 'utf8'))
        return [{ request: read('request.json') as Request, result: read('result.json') as BuildResult }]
      } catch (error) {
        faults.push(`${directory}: ${(error as Error).message}`)
        return []
      }
    }),
  )
}

/** The home, the tree, and the mails of each kind. */
function furnish(): Record<Kind, string[]> {
  const tree = join(home, 'tree')
  const { mailsOf } = openTree(tree)
  const mails = { good: mailsOf('fine\nUNIQUE\n'), red: mailsOf('fine\nerror: UNIQUE\n'), 'second red': mailsOf('fine\nUNIQUE\n', 'fine\nUNIQUE\nerror: UNIQUE\n', 'fine\nUNIQUE\nerror: UNIQUE\nUNIQUE\n'), warned: mailsOf('fine\nstate.txt:2: warning: UNIQUE\n', 'fine\nstate.txt:2: warning: UNIQUE\nUNIQUE\n') }
  for (const name of ['queue', 'logs']) mkdirSync(join(home, name))
  for (const folder of ['x86', 'ppc']) write(`job-defs/${folder}/make.yml`, 'workspace: commit\nscript: |\n  cat state.txt\n  if grep -q "^error" state.txt; then exit 1; fi\n')
  const source = { url: fake.url, project: 'ffmpeg', token_env: 'PATCHWORK_TOKEN', tree, branch: 'main', pipelines: ['job:x86/make', 'job:ppc/make'], each_patch: eachPatch, mail: { reply: true }, expire_after: 1_000_000, pace: 1000 }
  write('quern.yaml', JSON.stringify({ patchwork: [source] }))
  const settings = { SMTP_URL: `smtp://127.0.0.1:${mailbox.port}`, MAIL_ADMIN: 'admin@example.org', MAIL_FROM: 'quern@example.org', PATCHWORK_TOKEN: maintainerToken }
  write('environment.sh', Object.entries(settings).map(([name, value]) => `export ${name}="${value}"\n`).join(''))
  return mails
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true })
  writeFileSync(join(home, path), text)
  chmodSync(join(home, path), 0o600)
}

function start(words: string[]): ChildProcess {
  return spawn(resolve('bin/quern'), words, { env: { PATH: process.env['PATH'], HOME: process.env['HOME'], QUERN_HOME: home }, stdio: 'ignore' })
}

async function ended(child: ChildProcess): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) await sleep(5)
}

/** Names in a directory of the home, directories of the house and dot files left out. */
function names(place: string): string[] {
  try {
    return readdirSync(join(home, place)).filter((name) => !name.startsWith('.') && !['low', 'tmp', 'claimed', 'bad', 'dead'].includes(name))
  } catch {
    return []
  }
}
