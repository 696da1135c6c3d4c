import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { markSuperseded, ownMail, supersededBy } from '../../src/patchwork/series-ledger.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const series = { server: 'https://patchwork.example.org', id: 7 }

test('the first build that asks owns the mail about a series, and keeps it', () => {
  const home = tempDir()

  expect(ownMail(home, series, 'x86/1')).toBe('x86/1')
  expect(ownMail(home, series, 'ppc/1')).toBe('x86/1')
  expect(ownMail(home, series, 'x86/1')).toBe('x86/1')
  expect(ownMail(home, { ...series, id: 8 }, 'ppc/1')).toBe('ppc/1')
  expect(readdirSync(join(home, 'ledger/series')).toSorted()).toEqual(['patchwork-example-org-7.mail', 'patchwork-example-org-8.mail'])
})

test('series of two servers with one number are two', () => {
  const home = tempDir()
  markSuperseded(home, series, { by: 9, version: 2 })

  expect(supersededBy(home, series)).toEqual({ by: 9, version: 2 })
  expect(supersededBy(home, { ...series, server: 'https://other.example.org' })).toBeUndefined()
})
