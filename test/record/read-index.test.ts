import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { resultsNewestFirst } from '../../src/record/read-index.ts'
import { tempDir } from '../helpers/temp-dir.ts'

function homeWithIndex(text: string): string {
  const home = tempDir()
  mkdirSync(join(home, 'builds'))
  writeFileSync(join(home, 'builds/index.jsonl'), text)
  return home
}

function line(number: number, more = ''): string {
  return `${JSON.stringify({ pipeline: 'p', number, verdict: 'passed', ended: '', runs: [], reason: more })}\n`
}

test('the newest comes first, over all pieces and with characters that pieces cut', () => {
  const words = (number: number) => '\u00e9\u20ac'.repeat((number * 37) % 900)
  const text = Array.from({ length: 300 }, (_, index) => line(index + 1, words(index + 1))).join('')
  const results = [...resultsNewestFirst(homeWithIndex(text))]
  expect(results.map(({ number }) => number)).toEqual(Array.from({ length: 300 }, (_, index) => 300 - index))
  expect(results.every(({ number, reason }) => reason === words(number))).toBe(true)
})

test('a line longer than a piece is read whole', () => {
  const long = 'x'.repeat(200_000)
  expect([...resultsNewestFirst(homeWithIndex(line(1) + line(2, long) + line(3)))].map(({ number, reason }) => [number, reason?.length])).toEqual([[3, 0], [2, 200_000], [1, 0]])
})

test('a build that stands twice is given once, and a torn line is left out', () => {
  expect([...resultsNewestFirst(homeWithIndex(`${line(1)}{"pipeline":"p","nu\n${line(2)}${line(2)}{"pip`))].map(({ number }) => number)).toEqual([2, 1])
})

test('without an index there is nothing', () => {
  expect([...resultsNewestFirst(tempDir())]).toEqual([])
})
