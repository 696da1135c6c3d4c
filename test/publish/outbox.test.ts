import { armFault, disarmFault } from '../helpers/fault.mjs'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { takeLock } from '../../src/disk/lock.ts'
import type { Decision } from '../../src/ledger/ledger.ts'
import { openOutbox, type Outbox } from '../../src/publish/outbox.ts'
import type { Outcome, Publisher, Report } from '../../src/publish/publisher.ts'
import { writeReport } from '../../src/publish/report-file.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

test('a report that its publisher accepts moves from the outbox to the build’s sent/', async () => {
  const { home, build, outbox, handOver } = room()
  handOver('email-a')
  expect(waiting(home)).toHaveLength(1)
  expect(waiting(home)[0]).toMatch(/^\d+-[0-9a-f]+\.json$/)
  const { asked, publisher } = answering('sent')
  expect(await outbox.deliverDue({ email: publisher })).toEqual({ sent: 1, later: 0, dead: 0, problems: [], nextDue: undefined })
  expect(asked).toEqual(['email-a'])
  expect(waiting(home)).toEqual([])
  expect(readdirSync(join(build, 'sent'))).toEqual(['email-a.json'])
})

test('handing over again, before, between and after delivery, sends nothing twice', async () => {
  const { home, outbox, handOver } = room()
  handOver('email-a')
  handOver('email-a')
  expect(waiting(home)).toHaveLength(1)
  const puttingOff = answering('later')
  await outbox.deliverDue({ email: puttingOff.publisher })
  handOver('email-a')
  expect(waiting(home)).toHaveLength(1)
  const accepting = answering('sent')
  await outbox.deliverDue({ email: accepting.publisher }, Date.now() + hour)
  handOver('email-a')
  expect(waiting(home)).toEqual([])
  expect(accepting.asked).toEqual(['email-a'])
})

test('a report that is dead is not handed over again', async () => {
  const { home, outbox, handOver } = room()
  handOver('email-a')
  await outbox.deliverDue({ email: answering('refused').publisher })
  handOver('email-a')
  expect(waiting(home)).toEqual([])
})

test('a report that nobody wants any more leaves the outbox for good, and the ledger says why', async () => {
  const { home, outbox, decisions, handOver } = room()
  handOver('email-a')
  await outbox.deliverDue({ email: answering('dropped').publisher })
  handOver('email-a')
  expect([waiting(home), deadNames(home)]).toEqual([[], []])
  expect(decisions).toEqual([{ decision: 'dropped', reason: 'report email-a: because dropped', build: 'acme~app/7' }])
})

test('a report that is not to leave before its time waits for it', async () => {
  const { home, build, outbox } = room()
  const later = Math.ceil(Date.now() / 1000) + 3600
  writeReport(build, { id: 'reply-a', publisher: 'email', build: 'acme~app/7', created: new Date().toISOString(), not_before: new Date(later * 1000).toISOString(), payload: {} })
  outbox.handOver(build)
  expect(waiting(home)[0]).toMatch(new RegExp(`^${later}-`))
  const { asked, publisher } = answering('sent')
  expect(await outbox.deliverDue({ email: publisher })).toMatchObject({ sent: 0, nextDue: later })
  await outbox.deliverDue({ email: publisher }, later * 1000)
  expect(asked).toEqual(['reply-a'])
})

test('a report that was put off while the clock was years ahead is due once the clock is right again', async () => {
  const { outbox, handOver } = room()
  const wrong = Date.now() + 3650 * day
  handOver('email-a', new Date(wrong))
  await outbox.deliverDue({ email: answering('later').publisher }, wrong)
  const { asked, publisher } = answering('sent')
  await outbox.deliverDue({ email: publisher })
  expect(asked).toEqual(['email-a'])
})

test('handing over tells how many reports of the build wait', async () => {
  const { build, outbox, write } = room()
  expect(outbox.handOver(build)).toBe(0)
  write('email-a')
  write('email-b')
  expect(outbox.handOver(build)).toBe(2)
  await outbox.deliverDue({ email: answering('sent').publisher })
  expect(outbox.handOver(build)).toBe(0)
})

test.each([
  ['a fresh report waits a minute', 0, 60],
  ['one of half an hour waits as long as it has waited', 30 * minute, 30 * 60],
  ['one of three days waits four hours', 3 * day, 4 * 60 * 60],
])('%s', async (_, age, wait) => {
  const { home, outbox, handOver } = room()
  const now = Date.now() + 1000
  handOver('email-a', new Date(now - age))
  const result = await outbox.deliverDue({ email: answering('later').publisher }, now)
  const due = Math.ceil(now / 1000 + wait)
  expect(result).toMatchObject({ sent: 0, later: 1, dead: 0, nextDue: due })
  expect(waiting(home)[0]).toMatch(new RegExp(`^${due}-`))
  const next = answering('sent')
  await outbox.deliverDue({ email: next.publisher }, (due - 1) * 1000)
  expect(next.asked).toEqual([])
  await outbox.deliverDue({ email: next.publisher }, due * 1000)
  expect(next.asked).toEqual(['email-a'])
})

test('after five days a report is tried once more, then dead with a decision', async () => {
  const { home, outbox, handOver, decisions } = room()
  handOver('email-a', new Date(Date.now() - 5 * day))
  const { asked, publisher } = answering('later')
  expect(await outbox.deliverDue({ email: publisher }, Date.now() + 1000)).toMatchObject({ dead: 1, nextDue: undefined })
  expect(asked).toEqual(['email-a'])
  expect(decisions).toEqual([{ decision: 'undeliverable', build: 'acme~app/7', reason: 'report email-a: not accepted within five days, last: because later' }])
  expect(deadNames(home)).toEqual([expect.stringMatching(/^[0-9a-f]+\.json$/), expect.stringMatching(/^[0-9a-f]+\.reason$/)])
})

test('a refused report is dead at once, with the reason in the ledger and beside it', async () => {
  const { home, outbox, handOver, decisions } = room()
  handOver('email-a')
  await outbox.deliverDue({ email: answering('refused').publisher })
  expect(decisions.map(({ reason }) => reason)).toEqual(['report email-a: email refused it: because refused'])
  const reason = deadNames(home).find((name) => name.endsWith('.reason'))!
  expect(readFileSync(join(home, 'outbox/dead', reason), 'utf8')).toBe('email refused it: because refused\n')
})

test('one publisher that fails, throws or is unknown silences nobody', async () => {
  const { outbox, handOver } = room()
  const order: string[] = []
  handOver('email-a')
  handOver('checks-a', undefined, 'checks')
  handOver('gone-a', undefined, 'gone')
  handOver('notes-a', undefined, 'notes')
  const throwing: Publisher = { publish: () => Promise.reject(new Error('a bug')) }
  const result = await outbox.deliverDue({ email: answering('later').publisher, checks: throwing, notes: answering('sent', order).publisher })
  expect(order).toEqual(['notes-a'])
  expect(result).toMatchObject({ sent: 1, later: 3, dead: 0 })
})

test.each([['email', 'checks'], ['checks', 'email']] as const)('where %s is slow, %s is not kept waiting', async (slowOne, other) => {
  const { outbox, handOver } = room()
  handOver('email-a')
  handOver('checks-a', undefined, 'checks')
  let release = (): void => undefined
  const slow: Publisher = { publish: () => new Promise((resolve) => (release = () => resolve({ kind: 'sent' }))) }
  const quick = answering('sent')
  const delivery = outbox.deliverDue({ [slowOne]: slow, [other]: quick.publisher })
  await expect.poll(() => quick.asked).toEqual([`${other}-a`])
  release()
  expect(await delivery).toMatchObject({ sent: 2 })
})

test('a publisher that puts off three reports in a row is left alone until the next tick', async () => {
  const { home, outbox, handOver } = room()
  for (let n = 0; n < 10; n++) handOver(`email-${n}`)
  const { asked, publisher } = answering('later')
  expect(await outbox.deliverDue({ email: publisher })).toMatchObject({ later: 3 })
  expect(asked).toHaveLength(3)
  expect(waiting(home)).toHaveLength(10)
})

test('a publisher that takes a report between those that it puts off is not left alone', async () => {
  const { outbox, handOver } = room()
  for (let n = 0; n < 5; n++) handOver(`email-${n}`)
  let asked = 0
  const publisher: Publisher = { publish: async () => (++asked === 3 ? { kind: 'sent' } : { kind: 'later', reason: 'busy' }) }
  expect(await outbox.deliverDue({ email: publisher })).toMatchObject({ sent: 1, later: 4 })
})

test('the oldest due goes first', async () => {
  const { home, outbox, handOver } = room()
  for (const [id, due] of [['email-late', 300], ['email-early', 100], ['email-middle', 200]] as const) {
    handOver(id)
    const fresh = waiting(home).find((name) => Number(name.split('-')[0]) > 1000)!
    linkSync(join(home, 'outbox', fresh), join(home, 'outbox', fresh.replace(/^\d+/, String(due))))
    rmSync(join(home, 'outbox', fresh))
  }
  const { asked, publisher } = answering('sent')
  await outbox.deliverDue({ email: publisher })
  expect(asked).toEqual(['email-early', 'email-middle', 'email-late'])
})

test('a name that comes back into the outbox beside sent/ sends nothing and goes', async () => {
  const { home, build, outbox, handOver } = room()
  handOver('email-a')
  const [name] = waiting(home)
  await outbox.deliverDue({ email: answering('sent').publisher })
  linkSync(join(build, 'sent/email-a.json'), join(home, 'outbox', name!))
  const { asked, publisher } = answering('sent')
  expect(await outbox.deliverDue({ email: publisher })).toMatchObject({ sent: 0, nextDue: undefined })
  expect(asked).toEqual([])
  expect(existsSync(join(build, 'sent/email-a.json'))).toBe(true)
})

test('two names of one report send it once', async () => {
  const { home, outbox, handOver } = room()
  handOver('email-a')
  const [name] = waiting(home)
  linkSync(join(home, 'outbox', name!), join(home, 'outbox', name!.replace(/^\d+/, '5')))
  const { asked, publisher } = answering('sent')
  await outbox.deliverDue({ email: publisher })
  expect(asked).toEqual(['email-a'])
  expect(waiting(home)).toEqual([])
})

test('two names of one report that is put off are one afterwards', async () => {
  const { home, outbox, handOver } = room()
  handOver('email-a')
  const [name] = waiting(home)
  linkSync(join(home, 'outbox', name!), join(home, 'outbox', name!.replace(/^\d+/, '5')))
  await outbox.deliverDue({ email: answering('later').publisher })
  expect(waiting(home)).toHaveLength(1)
})

test('what cannot be flushed is told: reports are not handed over then, and one that was sent is not sent again', async () => {
  onTestFinished(disarmFault)
  const { home, build, outbox, write } = room()
  write('email-a')
  armFault({ calls: ['fsync'], at: 1, error: 'EIO', under: join(home, 'outbox') })
  expect(() => outbox.handOver(build)).toThrow(/EIO/)
  disarmFault()
  expect(outbox.handOver(build)).toBe(1)
  armFault({ calls: ['fsync'], at: 1, error: 'EIO', under: join(build, 'sent') })
  expect(await outbox.deliverDue({ email: answering('sent').publisher })).toMatchObject({ problems: [expect.stringContaining('EIO')], nextDue: undefined })
  disarmFault()
  write('email-b')
  outbox.handOver(build)
  armFault({ calls: ['fsync'], at: 1, error: 'EIO', under: join(home, 'outbox/dead') })
  expect(await outbox.deliverDue({ email: answering('refused').publisher })).toMatchObject({ problems: [expect.stringContaining('EIO')], nextDue: undefined })
  disarmFault()
  write('email-c')
  outbox.handOver(build)
  // Of a pruned build nothing but the outbox says that it was sent.
  rmSync(build, { recursive: true })
  armFault({ calls: ['fsync'], at: 1, error: 'EIO', under: join(home, 'outbox') })
  expect(await outbox.deliverDue({ email: answering('sent').publisher })).toMatchObject({ problems: [expect.stringContaining('EIO')], nextDue: undefined })
})

test('the reason of a server steers no terminal', async () => {
  const { home, outbox, handOver } = room()
  handOver('email-a')
  await outbox.deliverDue({ email: { publish: async () => ({ kind: 'refused', reason: '550 no\u001b[2J\nsuch user' }) } })
  const name = deadNames(home).find((one) => one.endsWith('.reason'))!
  // eslint-disable-next-line no-control-regex
  expect(readFileSync(join(home, 'outbox/dead', name), 'utf8')).toMatch(/^email refused it: 550 no[^\u001b\n]*such user\n$/)
})

test('torn, foreign, linked and oversized files go to dead/, and the rest is delivered', async () => {
  const { home, outbox, handOver, decisions } = room()
  writeFileSync(join(home, 'outbox/1-torn.json'), '{"id": "email-')
  writeFileSync(join(home, 'outbox/2-array.json'), '[]')
  writeFileSync(join(home, 'outbox/3-elsewhere.json'), JSON.stringify({ id: 'x', publisher: 'email', build: '../1', created: new Date().toISOString(), payload: {} }))
  writeFileSync(join(home, 'outbox/4-big.json'), Buffer.alloc(5 * 1024 * 1024, ' '))
  symlinkSync('/etc/hostname', join(home, 'outbox/5-link.json'))
  mkdirSync(join(home, 'outbox/6-directory'))
  writeFileSync(join(home, 'outbox/7-notjson'), 'hello')
  writeFileSync(join(home, 'outbox/README'), 'not ours')
  handOver('email-a')
  const { asked, publisher } = answering('sent')
  expect(await outbox.deliverDue({ email: publisher })).toEqual({ sent: 1, later: 0, dead: 7, problems: [], nextDue: undefined })
  expect(asked).toEqual(['email-a'])
  expect(decisions).toHaveLength(7)
  expect(deadNames(home).filter((name) => name.endsWith('.json'))).toEqual(['array.json', 'big.json', 'directory.json', 'elsewhere.json', 'link.json', 'notjson.json', 'torn.json'])
})

test('where another process delivers, nothing is tried', async () => {
  const { home, outbox, handOver } = room()
  handOver('email-a')
  const lock = takeLock(join(home, 'outbox/.lock'))!
  const { asked, publisher } = answering('sent')
  expect(await outbox.deliverDue({ email: publisher })).toBeUndefined()
  expect(asked).toEqual([])
  lock.release()
  expect(await outbox.deliverDue({ email: publisher })).toMatchObject({ sent: 1 })
})

test('a report of a build that was pruned meanwhile is still sent', async () => {
  const { home, build, outbox, handOver } = room()
  handOver('email-a')
  rmSync(build, { recursive: true })
  expect(await outbox.deliverDue({ email: answering('sent').publisher })).toMatchObject({ sent: 1, nextDue: undefined })
  expect(existsSync(build)).toBe(false)
  expect(waiting(home)).toEqual([])
})

test('a report that cannot be kept as sent is not sent again, and the log hears of it', async () => {
  const { build, outbox, handOver } = room()
  handOver('email-a')
  mkdirSync(join(build, 'sent'))
  const hindering: Publisher = { publish: async () => (mkdirSync(join(build, 'sent/email-a.json')), { kind: 'sent' }) }
  expect(await outbox.deliverDue({ email: hindering })).toMatchObject({ problems: [expect.stringMatching(/^moving outbox\/\d+-.*EISDIR/)], nextDue: undefined })
})

test('killed between the publisher’s word and the move, a report is sent again, none is lost', async () => {
  const { home, outbox, handOver } = room()
  const log = join(home, 'asked')
  for (const id of ['email-a', 'email-b', 'email-c']) handOver(id)
  const child = spawn(process.execPath, ['--input-type=module', '-e', killedAfterSecond(home, log)], { stdio: 'inherit' })
  const [, signal] = await once(child, 'exit')
  expect(signal).toBe('SIGKILL')
  expect(waiting(home)).toHaveLength(2)
  const { asked, publisher } = answering('sent')
  expect(await outbox.deliverDue({ email: publisher })).toMatchObject({ sent: 2, nextDue: undefined })
  const before = readFileSync(log, 'utf8').trim().split('\n')
  expect(new Set([...before, ...asked])).toEqual(new Set(['email-a', 'email-b', 'email-c']))
  expect([...before, ...asked]).toHaveLength(4)
})

/** A program that delivers and dies the moment the second report has been accepted. */
function killedAfterSecond(home: string, log: string): string {
  return `
    import { appendFileSync } from 'node:fs'
    import { build } from 'esbuild'
    const bundle = await build({ entryPoints: ['src/publish/outbox.ts'], bundle: true, write: false, format: 'esm', platform: 'node' })
    const { openOutbox } = await import('data:text/javascript;base64,' + Buffer.from(bundle.outputFiles[0].text).toString('base64'))
    let count = 0
    const publish = async ({ id }) => {
      appendFileSync(${JSON.stringify(log)}, id + '\\n')
      if (++count === 2) process.kill(process.pid, 'SIGKILL')
      return { kind: 'sent' }
    }
    await openOutbox(${JSON.stringify(home)}, { decide() {} }).deliverDue({ email: { publish } })
  `
}

interface Room {
  home: string
  build: string
  outbox: Outbox
  decisions: Decision[]
  write: (id: string, created?: Date, publisher?: string) => void
  handOver: (id: string, created?: Date, publisher?: string) => void
}

function room(): Room {
  const home = tempDir()
  const build = join(home, 'builds/acme~app/7')
  mkdirSync(build, { recursive: true })
  const decisions: Decision[] = []
  const outbox = openOutbox(home, { decide: (decision) => decisions.push(decision) })
  return { home, build, outbox, decisions, write, handOver }

  function write(id: string, created = new Date(), publisher = 'email'): void {
    const report: Report = { id, publisher, build: 'acme~app/7', created: created.toISOString(), payload: {} }
    writeReport(build, report)
  }

  function handOver(...report: Parameters<typeof write>): void {
    write(...report)
    outbox.handOver(build)
  }
}

/** A publisher that gives the same answer to every report and remembers which it was asked for. */
function answering(kind: Outcome['kind'], asked: string[] = []): { asked: string[]; publisher: Publisher } {
  const outcome: Outcome = kind === 'sent' ? { kind } : { kind, reason: `because ${kind}` }
  return { asked, publisher: { publish: async ({ id }) => (asked.push(id), outcome) } }
}

function waiting(home: string): string[] {
  return readdirSync(join(home, 'outbox')).filter((name) => /^\d/.test(name)).sort()
}

function deadNames(home: string): string[] {
  return readdirSync(join(home, 'outbox/dead')).sort()
}
