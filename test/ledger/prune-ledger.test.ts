import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pruneLedger } from '../../src/ledger/prune-ledger.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('decisions of days before go, those of the day itself stay, and a dry run removes none', () => {
  const directory = tempDir()
  const [old, sameDay] = ['2026-02-28.jsonl', '2026-03-01.jsonl'] as const
  for (const name of [old, sameDay]) writeFileSync(join(directory, name), '{}\n')
  const before = Date.parse('2026-03-01T12:00:00Z')
  expect(pruneLedger(directory, { before, dryRun: true })).toBe(1)
  expect(readdirSync(directory).toSorted()).toEqual([old, sameDay])
  expect(pruneLedger(directory, { before, dryRun: false })).toBe(1)
  expect(readdirSync(directory)).toEqual([sameDay])
})
