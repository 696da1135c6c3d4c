import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aHome } from './helpers/a-home.ts'
import { runQuern } from './helpers/run-quern.ts'

test('a builder keeps its compiled code in the home, and the next ones start from it', async () => {
  const { home, drop, build, list, status } = aHome()
  drop()
  await build()
  const [name] = list('cache/code')
  const before = statSync(join(home, 'cache/code', name!))
  expect(before.size).toBeGreaterThan(100_000)
  drop()
  await build()
  expect(status('app/2')).toBe('PASSED')
  expect(list('cache/code')).toEqual([name])
  expect(statSync(join(home, 'cache/code', name!)).ino).toBe(before.ino)
})

test.each([
  ['is broken', (text: string) => [text, 'broken']],
  ['is empty', (text: string) => [text, '']],
  ['was left by another version', () => ['quern-0123456789ab-v20.0.0-x64', 'of old']],
])('compiled code that %s is replaced, and nobody notices', async (_, spoil) => {
  const { home, drop, build, list, status } = aHome()
  drop()
  await build()
  const [name] = list('cache/code')
  const [spoiled, content] = spoil(name!)
  writeFileSync(join(home, 'cache/code', name!), 'not ours')
  writeFileSync(join(home, 'cache/code', spoiled!), content!)
  drop()
  expect(await build()).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(status('app/2')).toBe('PASSED')
  expect(list('cache/code')).toEqual([name])
  expect(statSync(join(home, 'cache/code', name!)).size).toBeGreaterThan(100_000)
})

test('other commands keep nothing', async () => {
  const { home, list } = aHome()
  expect((await runQuern(home, ['queue'])).code).toBe(0)
  expect(list('cache')).toEqual([])
})
