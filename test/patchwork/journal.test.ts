import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openJournal, type Line } from '../../src/patchwork/journal.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const at = '2026-11-21T12:00:00.000Z'

function event(id: number, series: number, more: Partial<Line> = {}): Line {
  return { at, event: { id, category: 'series-completed', date: `2026-11-21T10:00:00.${String(id).padStart(6, '0')}` }, series, state: 'queued', ...more }
}

test('what was appended is there when it is opened again', () => {
  const path = join(tempDir(), 'ledger/patchwork/a.jsonl')
  openJournal(path).append([event(2, 20, { title: 't', version: 1, entries: { chunks: 'e.json' } }), event(1, 10, { state: 'waiting' }), { at, did: 'started' }])

  const journal = openJournal(path)

  expect(journal.newest('series-completed')).toBe('2026-11-21T10:00:00.000002')
  expect(journal.newest('series-created')).toBeUndefined()
  expect([1, 2, 3].map((id) => journal.hasEvent(id))).toEqual([true, true, false])
  expect(journal.series(20)).toMatchObject({ state: 'queued', entries: { chunks: 'e.json' } })
  expect(journal.ofTitle('t')).toMatchObject([{ series: 20 }])
  expect(journal.open().map(({ series }) => series)).toEqual([10])
  expect(journal.last('started')).toBe(Date.parse(at))
})

test('a line that a crash tore is passed over and does not swallow the next one', () => {
  const path = join(tempDir(), 'a.jsonl')
  openJournal(path).append([event(1, 10)])
  appendFileSync(path, '{"at":"2026-11-21T12:00:00.000Z","event":{"id":2,"cat')

  openJournal(path).append([event(3, 30)])

  const journal = openJournal(path)
  expect([1, 2, 3].map((id) => journal.hasEvent(id))).toEqual([true, false, true])
})

test('a long journal is shortened; open series, the newest ones and the newest events stay', () => {
  const path = join(tempDir(), 'a.jsonl')
  const lines = [event(1, 1, { state: 'announced' }), ...Array.from({ length: 45_000 }, (_, index) => event(index + 2, index + 2))]
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))

  openJournal(path)

  const journal = openJournal(path)
  expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThan(20_000)
  expect(journal.open().map(({ series }) => series)).toEqual([1])
  expect(journal.hasEvent(45_001)).toBe(true)
  expect(journal.series(45_001)).toMatchObject({ state: 'queued' })
  expect(journal.newest('series-completed')).toBe('2026-11-21T10:00:00.045001')
})
