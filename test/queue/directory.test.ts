import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { RequestError } from '../../src/model/request.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { compareNames, isOurs, openNames } from '../../src/queue/names.ts'
import { aRequest } from '../helpers/a-request.ts'
import { bundle } from '../helpers/bundle.ts'
import { memoryDir } from '../helpers/memory-dir.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { entriesIn } from './entries-in.ts'
import { claimAll, number } from './queue-contract.ts'

const fiveKeys = '{"repository":"tool","ref":"refs/heads/main","commit_id":"1234567890abcdef1234567890abcdef12345678","committer_name":"Ada","committer_email":"ada@example.org"}'
const delivered = aRequest({ hook: 'main', delivery: 'd-1' })

function open(options: { home?: string; now?: () => number } = {}) {
  const { home = memoryDir(), ...rest } = options
  const ledger = openLedger(join(home, 'ledger'))
  return { home, ledger, queue: openDirectoryQueue(home, { ledger, ...rest }), path: (...parts: string[]) => join(home, ...parts) }
}

/** Writes a file into the queue as somebody at the keyboard would. */
function dropIn(home: string, name: string, content = fiveKeys, age = 0): string {
  const path = join(home, 'queue', name)
  writeFileSync(path, content)
  utimesSync(path, Date.now() / 1000 - age, Date.now() / 1000 - age)
  return path
}

test('an entry is a JSON file with the five keys at the top, named by the time it came', async () => {
  const { queue, path } = open({ now: () => 1_700_000_000_123.25 })
  const { entry } = await queue.enqueue(delivered)
  expect(entry).toMatch(/^1700000000\.123250-[0-9a-f]{8}\.json$/)
  expect(JSON.parse(readFileSync(path('queue', entry), 'utf8'))).toEqual({ ...delivered, entry })
})

test('10,000 names within an instant are different, and in order', () => {
  const nextName = openNames([tempDir()], () => 1_700_000_000_999)
  const names = Array.from({ length: 10_000 }, nextName)
  expect(names.toSorted()).toEqual(names)
  expect(new Set(names).size).toBe(10_000)
  expect(names.at(-1)).toMatch(/^1700000001\.008999-/)
})

test('2,000 entries at once, more than a batch holds, are all there, in the order in which they came', async () => {
  const { queue, path } = open()
  const enqueued = await Promise.all(Array.from({ length: 2000 }, () => queue.enqueue(aRequest())))
  const names = enqueued.map(({ entry }) => entry)
  expect(names.toSorted()).toEqual(names)
  expect(readdirSync(path('queue')).filter((name) => name.endsWith('.json')).toSorted()).toEqual(names)
})

test('names stay in order when the clock steps back, also across a restart', async () => {
  let time = 1_700_000_000_000
  const { queue, home } = open({ now: () => time })
  const names = [(await queue.enqueue(aRequest())).entry]
  time -= 3600_000
  names.push((await queue.enqueue(aRequest())).entry)
  const restarted = open({ home, now: () => time })
  names.push((await restarted.queue.enqueue(aRequest())).entry)
  expect(names.toSorted()).toEqual(names)
})

test('what comes after a restart, when the clock stepped back, is newer than what is built by then', async () => {
  let time = 1_700_000_000_000
  const { queue, home } = open({ now: () => time })
  await queue.enqueue(aRequest())
  const { entry } = (await queue.claim(number()))!
  time -= 3600_000
  const later = (await open({ home, now: () => time }).queue.enqueue(aRequest())).entry
  expect([later, entry].sort(compareNames)).toEqual([entry, later])
})

test('names of a clock that was never set are ours, and in order among all others', async () => {
  let time = 7_000
  const { queue } = open({ now: () => time })
  const names: string[] = []
  for (time of [7_000, 12_000, 1_700_000_000_000]) names.push((await queue.enqueue(aRequest())).entry)
  expect(names.toReversed().sort(compareNames)).toEqual(names)
  expect(names.every(isOurs)).toBe(true)
})

test('a name of a wrong future does not pull later ones along', async () => {
  const { home, queue } = open()
  dropIn(home, '9999999999.999999-0a.json')
  const { entry } = await queue.enqueue(aRequest())
  expect(Math.abs(parseFloat(entry) - Date.now() / 1000)).toBeLessThan(3600)
})

test("amp_ci's names are ordered among ours by their time", () => {
  const names = ['build-1700000000.25', '1700000000.300000-0a.json', 'build-1700000000.5', 'build-1700000001.125', '1700000002.000000-0b.json', 'by-hand.json']
  expect(names.toReversed().sort(compareNames)).toEqual(names)
})

test('files dropped in by hand are built, links, directories and dot files are not', async () => {
  const { home, queue, path } = open()
  const outside = path('outside.json')
  writeFileSync(outside, fiveKeys)
  const names = ['build-1500000000.123', 'no extension', 'a.json', 'b.json.build', 'c\nd.json', `${'long'.repeat(60)}.json`]
  for (const name of names) dropIn(home, name)
  dropIn(home, '.hidden.json')
  symlinkSync(outside, path('queue', 'link.json'))
  mkdirSync(path('queue', 'directory.json'))
  execFileSync('mkfifo', [path('queue', 'fifo.json')])
  const claims = await claimAll(queue)
  expect(claims).toHaveLength(names.length)
  expect(claims[0]).toMatchObject({ entry: 'build-1500000000.123', request: { repository: 'tool' } })
  for (const { entry } of claims) expect(entry).toMatch(/^[A-Za-z0-9_.-]{1,100}$/)
  expect(readdirSync(path('queue')).toSorted()).toEqual(['.hidden.json', 'bad', 'claimed', 'directory.json', 'fifo.json', 'link.json', 'low', 'tmp'])
})

test('a name that is dropped in again is a new entry, and overwrites nothing', async () => {
  const { home, queue, path } = open()
  for (let round = 0; round < 3; round++) {
    dropIn(home, 'again.json')
    expect(await claimAll(queue)).toHaveLength(1)
  }
  expect(readdirSync(path('ledger', 'done')).filter((name) => !name.endsWith('.build'))).toHaveLength(3)
  for (let round = 0; round < 2; round++) {
    dropIn(home, 'bad.json', `nonsense ${round}`, 120)
    expect(await queue.claim(number())).toBeUndefined()
  }
  dropIn(home, 'bad.json')
  await queue.bury((await queue.claim(number()))!, 'it ended three builders')
  expect(readdirSync(path('queue', 'bad'))).toHaveLength(6)
  expect(readFileSync(path('queue', 'bad', 'bad.json'), 'utf8')).toBe('nonsense 0')
})

test.each([
  ['torn', fiveKeys.slice(0, 90), /JSON/],
  ['empty', '', /JSON/],
  ['an array', '[1]', /repository/],
  ['invalid', fiveKeys.replace('refs/heads/main', '-x'), /ref/],
  ['oversized', fiveKeys.padEnd(1024 * 1024 + 1), /1048577 bytes/],
])('an entry that is %s waits a minute, then is kept in bad/ with the reason beside it', async (_kind, content, reason) => {
  const { home, queue, ledger, path } = open()
  dropIn(home, 'x.json', content, 30)
  expect(await queue.claim(number())).toBeUndefined()
  expect(await queue.list()).toEqual([{ entry: 'x.json', state: 'waiting', reason: expect.stringMatching(reason) }])
  dropIn(home, 'x.json', content, 61)
  dropIn(home, 'y.json')
  expect(await queue.claim(number())).toMatchObject({ entry: 'y.json' })
  expect(readFileSync(path('queue', 'bad', 'x.json'), 'utf8')).toBe(content)
  expect(readFileSync(path('queue', 'bad', 'x.json.reason'), 'utf8')).toMatch(reason)
  expect(await queue.list()).toMatchObject([{ entry: 'y.json' }, { entry: 'x.json', state: 'bad', reason: expect.stringMatching(reason) }])
  expect(ledger.find('x.json')).toMatchObject([{ decision: 'bad' }])
})

test('an entry that is still being written is built once it is whole', async () => {
  const { home, queue } = open()
  const path = dropIn(home, 'slow.json', fiveKeys.slice(0, 50))
  expect(await queue.claim(number())).toBeUndefined()
  writeFileSync(path, `\uFEFF${fiveKeys}`)
  expect(await queue.claim(number())).toMatchObject({ entry: 'slow.json' })
})

test('an unreadable file of a time in the future is set aside, too', async () => {
  const { home, queue } = open()
  dropIn(home, 'x.json', 'nonsense', -86_400)
  expect(await queue.claim(number())).toBeUndefined()
  expect(await queue.list()).toMatchObject([{ state: 'bad' }])
})

test('two processes that enqueue the same deliveries at once make one entry of each', async () => {
  const { home, path } = open()
  const program = bundle('test/queue/enqueueing-program.ts', home)
  const start = Date.now() + 700
  const outputs = await Promise.all([1, 2].map(() => text(spawn(process.execPath, [program, home, `${start}`], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout)))
  const [first, second] = outputs.map((output) => output.trim().split('\n').map((line) => line.split(' ')))
  expect(first).toHaveLength(200)
  expect(second!.map(([entry]) => entry)).toEqual(first!.map(([entry]) => entry))
  for (let index = 0; index < 200; index++) expect([first![index]![1], second![index]![1]].toSorted()).toEqual(['false', 'true'])
  expect(readdirSync(path('queue')).filter((name) => name.endsWith('.json'))).toHaveLength(200)
})

test('a builder that repairs, claims and releases while two receivers deliver the same builds each delivery once', async () => {
  const { home, queue, path } = open()
  const program = bundle('test/queue/enqueueing-program.ts', home)
  const receivers = [1, 2].map(() => text(spawn(process.execPath, [program, home, `${Date.now() + 500}`], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout))
  let delivering = true
  const delivered = Promise.all(receivers).finally(() => (delivering = false))
  const built: string[] = []
  const assign = number()
  for (let last = false; !last; last = !delivering && (await queue.list()).length === 0) {
    expect(await queue.repair()).toEqual([])
    const claim = await queue.claim(assign)
    if (claim === undefined) await setTimeout(2)
    else if (claim.attempt === 1 && claim.build.number % 5 === 0) await queue.release(claim)
    else built.push((await queue.finish(claim), claim.request.delivery!))
  }
  expect((await delivered).join('').match(/true/g)).toHaveLength(200)
  expect(built).toHaveLength(200)
  expect(new Set(built).size).toBe(200)
  expect(readdirSync(path('queue/tmp'))).toEqual([])
})

test('a redelivery completes what a dead receiver left in tmp', async () => {
  const { home, queue, path } = open()
  const { entry } = await queue.enqueue(delivered)
  renameSync(path('queue', entry), path('queue/tmp', entry))
  expect(await queue.enqueue(delivered)).toEqual({ entry, duplicate: true })
  expect(entriesIn(home)).toMatchObject([{ place: 'queue', name: entry }])
})

test('a delivery whose link survived a power cut, but not its entry, is made again from the link', async () => {
  const { home, queue, path } = open()
  const low = await queue.enqueue(delivered, { low: true })
  unlinkSync(path('queue/low', low.entry))
  expect(await queue.enqueue(delivered)).toEqual({ entry: low.entry, duplicate: true })
  expect(entriesIn(home)).toMatchObject([{ place: 'queue/low', name: low.entry }])
})

test('a delivery whose entry survived a power cut, but not its link, is linked before it is built', async () => {
  const { home, queue, path } = open()
  const first = await queue.enqueue(delivered)
  rmSync(path('ledger/delivery', readdirSync(path('ledger/delivery'))[0]!))
  expect(await queue.claim(number())).toMatchObject({ entry: first.entry })
  expect(await queue.enqueue(delivered)).toEqual({ entry: first.entry, duplicate: true })
  expect(entriesIn(home)).toHaveLength(1)
})

test('of two entries of one delivery the one without the link is dropped, with a decision', async () => {
  const { queue, path, ledger } = open()
  const first = await queue.enqueue(delivered)
  rmSync(path('ledger/delivery', readdirSync(path('ledger/delivery'))[0]!))
  const second = await queue.enqueue(delivered)
  expect(second.duplicate).toBe(false)
  expect((await claimAll(queue)).map(({ entry }) => entry)).toEqual([second.entry])
  expect(ledger.find(first.entry)).toMatchObject([{ decision: 'duplicate', delivery: 'd-1' }])
  expect(readdirSync(path('ledger/done')).toSorted()).toEqual([first.entry, second.entry, `${second.entry}.build`])
})

test('a drop overwrites nothing that was decided, whatever the name', async () => {
  const { home, queue, path } = open()
  dropIn(home, 'a.json')
  await queue.finish((await queue.claim(number()))!)
  const before = readdirSync(path('ledger/done')).map((name) => [name, readFileSync(path('ledger/done', name), 'utf8')])
  for (const name of ['a.json', 'a.json.build']) {
    dropIn(home, name, '{}')
    expect(await queue.drop(name)).toBe(true)
  }
  expect(before.map(([name]) => [name, readFileSync(path('ledger/done', name!), 'utf8')])).toEqual(before)
  expect(readdirSync(path('ledger/done'))).toHaveLength(4)
})

test('a copy of an entry under another name is meant to be built, and changes nothing for its delivery', async () => {
  const { home, queue, path } = open()
  const { entry } = await queue.enqueue(delivered)
  await claimAll(queue)
  copyFileSync(path('ledger/done', entry), path('queue', 'once-more.json'))
  dropIn(home, 'foreign.json', JSON.stringify({ ...delivered, delivery: 'd-2' }))
  expect((await claimAll(queue)).map((claim) => claim.entry)).toEqual(['foreign.json', 'once-more.json'])
  expect(await queue.enqueue(delivered)).toEqual({ entry, duplicate: true })
  expect(await queue.enqueue({ ...delivered, delivery: 'd-2' })).toMatchObject({ duplicate: false })
})

test('an entry that an editor or a restored backup wrote anew keeps its delivery', async () => {
  const { queue, path } = open()
  const { entry } = await queue.enqueue(delivered)
  copyFileSync(path('queue', entry), path('copy'))
  renameSync(path('copy'), path('queue', entry))
  expect(await queue.claim(number())).toMatchObject({ entry })
  expect(statSync(path('queue/claimed', entry)).nlink).toBe(2)
})

test('a name that a power cut brings back beside the decided entry is dropped', async () => {
  const { queue, path, ledger } = open()
  for (const settle of ['finish', 'bury'] as const) {
    const { entry } = await queue.enqueue(aRequest())
    const claim = (await queue.claim(number()))!
    await queue[settle](claim, 'no such thing' as never)
    linkSync(path(settle === 'finish' ? 'ledger/done' : 'queue/bad', entry), path('queue', entry))
    expect(await queue.claim(number())).toBeUndefined()
    expect(ledger.find(entry)).toMatchObject([{ decision: 'duplicate' }])
  }
  expect(readdirSync(path('queue')).toSorted()).toEqual(['bad', 'claimed', 'low', 'tmp'])
})

test('an entry moved back from done/ or bad/ by hand is built again, with a new number', async () => {
  const { queue, path } = open()
  const { entry } = await queue.enqueue(delivered)
  await queue.finish((await queue.claim(number(1)))!)
  renameSync(path('ledger/done', entry), path('queue', entry))
  const claim = (await queue.claim(number(2)))!
  expect(claim).toMatchObject({ entry, build: { number: 2 }, attempt: 1 })
  await queue.bury(claim, 'no such thing')
  renameSync(path('queue/bad', entry), path('queue', entry))
  expect(await queue.claim(number(3))).toMatchObject({ entry, build: { number: 3 }, attempt: 1 })
})

test('of entries under names of ours, a copy of a decided one is dropped, and a mended copy of a bad one is built', async () => {
  const { queue, path } = open()
  const { entry: decided } = await queue.enqueue(delivered)
  await queue.finish((await queue.claim(number(1)))!)
  copyFileSync(path('ledger/done', decided), path('queue', decided))
  expect(await queue.claim(number(2))).toBeUndefined()
  const { entry: bad } = await queue.enqueue(aRequest())
  await queue.bury((await queue.claim(number(2)))!, 'no such thing')
  copyFileSync(path('queue/bad', bad), path('queue', bad))
  expect(await queue.claim(number(3))).toMatchObject({ entry: bad })
})

test('a released entry that is dropped leaves no number behind', async () => {
  const { queue, path } = open()
  const { entry } = await queue.enqueue(delivered)
  await queue.release((await queue.claim(number()))!)
  expect(await queue.drop(entry)).toBe(true)
  expect(readdirSync(path('queue/claimed'))).toEqual([])
})

test('the repair completes what was linked, and deletes what was never promised after an hour, or of a time in the future', async () => {
  const { home, queue, path } = open()
  const [kept, low] = [await queue.enqueue(delivered), await queue.enqueue({ ...delivered, delivery: 'd-2' }, { low: true })]
  renameSync(path('queue', kept.entry), path('queue/tmp', kept.entry))
  renameSync(path('queue/low', low.entry), path('queue/tmp', low.entry))
  writeFileSync(path('queue/tmp', 'young.json'), fiveKeys)
  writeFileSync(path('queue/tmp', 'old.json'), fiveKeys)
  utimesSync(path('queue/tmp', 'old.json'), 1, 1)
  writeFileSync(path('queue/tmp', 'future.json'), fiveKeys)
  utimesSync(path('queue/tmp', 'future.json'), 4e9, 4e9)
  expect(await queue.repair()).toEqual([])
  expect(entriesIn(home).map(({ place, name }) => join(place, name)).toSorted()).toEqual([join('queue', kept.entry), join('queue/low', low.entry), 'queue/tmp/young.json'].toSorted())
})

test('the repair removes the further names of an entry that is elsewhere already', async () => {
  const { home, queue, path } = open()
  for (const place of ['queue', 'queue/claimed', 'ledger/done', 'queue/bad']) {
    const { entry } = await queue.enqueue(aRequest({ hook: 'main', delivery: place }))
    const claim = place === 'queue' ? undefined : (await queue.claim(number()))!
    if (place === 'ledger/done') await queue.finish(claim!)
    if (place === 'queue/bad') await queue.bury(claim!, 'no such thing')
    linkSync(path(place, entry), path('queue/tmp', entry))
    await queue.repair()
    expect(entriesIn(home).filter(({ name }) => name === entry).map((found) => found.place)).toEqual([place])
    if (place === 'queue/claimed') linkSync(path(place, entry), path('queue', entry))
    if (place === 'ledger/done' || place === 'queue/bad') linkSync(path(place, entry), path('queue/claimed', entry))
    const claims = await queue.repair()
    expect(claims).toHaveLength(place === 'queue/claimed' ? 1 : 0)
    expect(entriesIn(home).filter(({ name }) => name === entry).map((found) => found.place)).toEqual([place])
    if (place === 'queue') await queue.drop(entry)
    if (place === 'queue/claimed') await queue.finish(claims[0]!)
  }
})

test('the repair puts a claim without a number back, and removes a number without its entry', async () => {
  const { queue, path } = open()
  const [first, second] = [await queue.enqueue(aRequest()), await queue.enqueue(aRequest())]
  renameSync(path('queue', first.entry), path('queue/claimed', first.entry))
  renameSync(path('queue', second.entry), path('queue/claimed', second.entry))
  writeFileSync(path('queue/claimed', `${second.entry}.build`), '')
  writeFileSync(path('queue/claimed', 'gone.json.build'), '{}')
  writeFileSync(path('queue/claimed', '.half.tmp'), '')
  expect(await queue.repair()).toEqual([])
  expect(readdirSync(path('queue/claimed'))).toEqual([`${second.entry}.build`])
  expect((await claimAll(queue)).map(({ entry }) => entry)).toEqual([first.entry, second.entry])
})

test.each(['released', 'put back by the repair'])('an entry that is %s overwrites none that was dropped in under its name meanwhile, and is not overwritten', async (how) => {
  const { home, queue, path } = open()
  dropIn(home, 'nightly.json')
  const claim = (await queue.claim(number()))!
  dropIn(home, 'nightly.json', fiveKeys.replace('"tool"', '"other"'))
  if (how === 'released') await queue.release(claim)
  else {
    writeFileSync(path('queue/claimed/nightly.json.build'), '')
    expect(await queue.repair()).toEqual([])
  }
  expect((await claimAll(queue)).map(({ request }) => request.repository).toSorted()).toEqual(['other', 'tool'])
})

test('the repair puts a low claim without a number back where it waits for others', async () => {
  const { queue, path } = open()
  const { entry } = await queue.enqueue(delivered, { low: true })
  renameSync(path('queue/low', entry), path('queue/claimed', entry))
  expect(await queue.repair()).toEqual([])
  expect(await queue.list()).toMatchObject([{ entry, state: 'low' }])
})

test('a claimed entry that was damaged is set aside by the repair', async () => {
  const { queue, path } = open()
  const { entry } = await queue.enqueue(aRequest())
  await queue.claim(number())
  writeFileSync(path('queue/claimed', entry), 'nonsense')
  expect(await queue.repair()).toEqual([])
  expect(await queue.list()).toMatchObject([{ entry, state: 'bad', reason: expect.stringContaining('JSON') }])
  expect(readdirSync(path('queue/claimed'))).toEqual([])
})

test('a queue that cannot be written refuses, names the file and accepts again later', async () => {
  const { queue, path } = open()
  rmSync(path('queue/tmp'), { recursive: true })
  await expect(queue.enqueue(delivered)).rejects.toThrow(/queue\/tmp/)
  mkdirSync(path('queue/tmp'))
  expect(await queue.enqueue(delivered)).toMatchObject({ duplicate: false })
})

test.skipIf(process.getuid?.() === 0)('an ordinary user is told which directory he may not write', async () => {
  const { queue, path } = open()
  chmodSync(path('queue/tmp'), 0o500)
  await expect(queue.enqueue(delivered)).rejects.toThrow(basename(path('queue/tmp')))
})

test('a damaged link refuses its delivery with the remedy', async () => {
  const { queue, path } = open()
  await queue.enqueue(delivered)
  writeFileSync(path('ledger/delivery', readdirSync(path('ledger/delivery'))[0]!), '{}')
  await expect(queue.enqueue(delivered)).rejects.toThrow(/remove it/)
})

test('a damaged link or a damaged file in tmp stops no builder', async () => {
  const { queue, path } = open()
  const { entry } = await queue.enqueue(delivered)
  const link = path('ledger/delivery', readdirSync(path('ledger/delivery'))[0]!)
  rmSync(link)
  writeFileSync(link, 'nonsense')
  writeFileSync(path('queue/tmp', 'torn.json'), 'nonsense')
  linkSync(path('queue/tmp', 'torn.json'), path('second name'))
  expect(await queue.repair()).toEqual([])
  expect(await queue.claim(number())).toMatchObject({ entry })
  expect(readdirSync(path('queue/tmp'))).toEqual([])
  expect(await queue.enqueue(delivered)).toEqual({ entry, duplicate: true })
})

test('a request that no builder would take for its size is refused at the door', async () => {
  const { home, queue } = open()
  const runs = Array.from({ length: 20_000 }, (_, index) => ({ name: `run ${index}`, params: { parameter: 'a value of some length' } }))
  await expect(queue.enqueue({ ...delivered, runs })).rejects.toThrow(RequestError)
  expect(entriesIn(home)).toEqual([])
})
