import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keepFirstError, keptFirstError } from '../../src/report/first-error.ts'
import { readRunExcerpt } from '../../src/report/run-excerpt.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('what was kept is what reports show, without another look at the log', async () => {
  const run = tempDir()
  writeFileSync(join(run, 'console.log'), 'cc -c a.c\na.c:3:5: error: expected expression\n')
  await keepFirstError(run, (text) => text)
  writeFileSync(join(run, 'console.log'), 'b.c:1:1: error: another one\n')
  expect(await readRunExcerpt(run, 1000)).toMatchObject({ digest: { file: 'a.c', fileLine: 3, lines: ['a.c:3:5: error: expected expression'] }, tail: 'b.c:1:1: error: another one' })
})

test('a file that a power cut tore is passed over, and the log is read', async () => {
  const run = tempDir()
  writeFileSync(join(run, 'console.log'), 'a.c:3:5: error: expected expression\n')
  writeFileSync(join(run, 'error.json'), '{"tool": "comp')
  expect(keptFirstError(run)).toBeUndefined()
  expect(await readRunExcerpt(run, 1000)).toMatchObject({ digest: { file: 'a.c' } })
})

test('of a run without a word nothing is kept', async () => {
  const run = tempDir()
  await keepFirstError(run, (text) => text)
  writeFileSync(join(run, 'console.log'), '')
  await keepFirstError(run, (text) => text)
  expect(keptFirstError(run)).toBeUndefined()
  expect(() => readFileSync(join(run, 'error.json'))).toThrow(/ENOENT/)
})
