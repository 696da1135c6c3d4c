import { appendFileSync, closeSync, fstatSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { canMount, smallDisk } from '../helpers/small-disk.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const commit = 'abcdef0123456789abcdef0123456789abcdef01'

test('a decision is found by its commit, a prefix of it, its delivery, its entry and its build', () => {
  const ledger = openLedger(join(tempDir(), 'ledger'))
  const decision = { decision: 'queued', reason: 'A push.', delivery: 'd-1', entry: '1.json', build: 'acme~tool/7', commit_id: commit }
  ledger.decide({ decision: 'ignored', reason: `It only mentions ${commit}, d-1, 1.json and acme~tool/7.` })
  ledger.decide(decision)
  for (const key of [commit, commit.slice(0, 7), commit.slice(0, 9).toUpperCase(), 'd-1', '1.json', 'acme~tool/7']) {
    expect(ledger.find(key), key).toEqual([{ ...decision, at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) }])
  }
  for (const key of ['', 'abcdef', 'acme~tool/70', 'd-']) expect(ledger.find(key), key).toEqual([])
})

test('decisions are told oldest first over all days', () => {
  const directory = tempDir()
  const line = (at: string) => `${JSON.stringify({ at, decision: 'ignored', reason: 'x', entry: 'e' })}\n`
  writeFileSync(join(directory, '2024-02-01.jsonl'), line('2024-02-01T10:00:00Z') + line('2024-02-01T11:00:00Z'))
  writeFileSync(join(directory, '2023-12-31.jsonl'), line('2023-12-31T10:00:00Z'))
  expect(openLedger(directory).find('e').map(({ at }) => at)).toEqual(['2023-12-31T10:00:00Z', '2024-02-01T10:00:00Z', '2024-02-01T11:00:00Z'])
})

test('two writers share a file, and a torn last line costs only itself', () => {
  const directory = tempDir()
  const [first, second] = [openLedger(directory), openLedger(directory)]
  first.decide({ decision: 'queued', reason: 'one', entry: 'e' })
  second.decide({ decision: 'passed', reason: 'two', entry: 'e' })
  const [name] = readdirSync(directory)
  appendFileSync(join(directory, name!), '{"at":"2024-01-01T00:00:00Z","decision":"torn')
  openLedger(directory).decide({ decision: 'mailed', reason: 'three', entry: 'e' })
  expect(readFileSync(join(directory, name!), 'utf8').split('\n')).toHaveLength(5)
  appendFileSync(join(directory, name!), '{"at":"2024-01-01T00:00:00Z","decision":"torn')
  first.decide({ decision: 'sent', reason: 'four, glued to the torn one', entry: 'e' })
  expect(first.find('e').map(({ decision }) => decision)).toEqual(['queued', 'passed', 'mailed', 'sent'])
})

test('a receiver that runs for days writes each decision under the date of its day', () => {
  const directory = tempDir()
  const ledger = openLedger(directory)
  for (const day of ['2026-02-28', '2026-03-01']) {
    itIs(day)
    ledger.decide({ decision: 'queued', reason: day, entry: 'e' })
  }
  expect(readdirSync(directory).toSorted()).toEqual(['2026-02-28.jsonl', '2026-03-01.jsonl'])
  expect(ledger.find('e').map(({ reason }) => reason)).toEqual(['2026-02-28', '2026-03-01'])
})

test('a day whose file cannot be opened closes the file of the day before once, and no file of somebody else', () => {
  const [directory, aside] = ['ledger', 'aside'].map((name) => join(tempDir(), name)) as [string, string]
  const ledger = openLedger(directory)
  itIs('2026-02-28')
  ledger.decide({ decision: 'queued', reason: 'one', entry: 'e' })
  renameSync(directory, aside)
  writeFileSync(directory, '')
  itIs('2026-03-01')
  ledger.decide({ decision: 'queued', reason: 'lost', entry: 'e' })
  // It gets the number of the file that was closed.
  const other = openSync(aside, 'r')
  onTestFinished(() => closeSync(other))
  ledger.decide({ decision: 'queued', reason: 'lost, too', entry: 'e' })
  expect(fstatSync(other).isDirectory()).toBe(true)
  rmSync(directory)
  ledger.decide({ decision: 'queued', reason: 'two', entry: 'e' })
  expect(ledger.find('e').map(({ reason }) => reason)).toEqual(['two'])
})

test('a decision that a full disk cuts short leaves the next one a line of its own', { skip: !canMount }, () => {
  const { path } = smallDisk(8192)
  const ledger = openLedger(path)
  writeFileSync(join(path, 'filler'), 'x'.repeat(4096))
  ledger.decide({ decision: 'queued', reason: 'x'.repeat(5000), entry: 'e' })
  rmSync(join(path, 'filler'))
  for (const reason of ['one', 'two']) ledger.decide({ decision: 'queued', reason, entry: 'e' })
  const [name] = readdirSync(path)
  expect(readFileSync(join(path, name!), 'utf8').trimEnd().split('\n').slice(1).map((line) => (JSON.parse(line) as { reason: string }).reason)).toEqual(['one', 'two'])
})

test('a decision with a newline, a line separator or a lone surrogate is one line', () => {
  const directory = tempDir()
  const ledger = openLedger(directory)
  const reason = 'one\ntwo\u2028three\ud800 {"at":"'
  ledger.decide({ decision: 'ignored', reason, entry: 'e' })
  expect(ledger.find('e')).toMatchObject([{ reason }])
})

test('a ledger that cannot be written stops nobody', () => {
  const file = join(tempDir(), 'file')
  writeFileSync(file, '')
  const ledger = openLedger(join(file, 'ledger'))
  ledger.decide({ decision: 'queued', reason: 'x', entry: 'e' })
  expect(ledger.find('e')).toEqual([])
})

test('what is found in a file larger than the reading buffer is whole', () => {
  const directory = tempDir()
  const ledger = openLedger(directory)
  for (let index = 0; index < 3000; index++) ledger.decide({ decision: 'queued', reason: `ä${'x'.repeat(index % 400)}`, entry: `e${index % 3}` })
  expect(ledger.find('e1')).toHaveLength(1000)
  expect(ledger.find('e1').every(({ reason }, index) => reason === `ä${'x'.repeat((3 * index + 1) % 400)}`)).toBe(true)
})

function itIs(day: string): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(`${day}T12:00:00Z`) })
  onTestFinished(() => void vi.useRealTimers())
}
