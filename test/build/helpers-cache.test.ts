import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keepHelpers, pruneHelpers, takeHelpers } from '../../src/build/settle/helpers-cache.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const day = 24 * 60 * 60 * 1000
const monthAgo = () => ({ before: Date.now() - 30 * day, dryRun: false })

function aCache() {
  const home = tempDir()
  let made = 0
  const placeOf = (name: string, lane = 'trusted') => join(home, 'cache/helpers', lane, name)
  return {
    home,
    placeOf,
    kept: (lane = 'trusted') => readdirSync(join(home, 'cache/helpers', lane)).toSorted(),
    async keep(name: string, lane = 'trusted') {
      const installed = join(home, `installed-${++made}`)
      mkdirSync(join(installed, '.bin'), { recursive: true })
      writeFileSync(join(installed, 'index.js'), name)
      symlinkSync('../index.js', join(installed, '.bin/tool'))
      await keepHelpers(home, installed, placeOf(name, lane))
    },
    age(name: string, days: number) {
      const then = new Date(Date.now() - days * day)
      utimesSync(placeOf(name), then, then)
    },
  }
}

test('the first installation that there is is copied whole, over whatever the commit has in that place', async () => {
  const { home, keep, placeOf } = aCache()
  const target = join(home, 'node_modules')
  expect(await takeHelpers(home, [placeOf('a')], target)).toBe(false)
  await keep('a')
  symlinkSync('/etc', target)
  expect(await takeHelpers(home, [placeOf('a', 'untrusted'), placeOf('a')], target)).toBe(true)
  expect(readFileSync(join(target, '.bin/tool'), 'utf8')).toBe('a')
  expect(existsSync('/etc/index.js')).toBe(false)
})

test('an installation that nobody took for a month goes, one that was taken stays', async () => {
  const { home, keep, placeOf, kept, age } = aCache()
  for (const name of ['old', 'used', 'young']) await keep(name)
  for (const name of ['old', 'used']) age(name, 31)
  await takeHelpers(home, [placeOf('used')], join(home, 'node_modules'))
  expect(await pruneHelpers(home, { ...monthAgo(), dryRun: true })).toBe(1)
  expect(kept()).toEqual(['old', 'used', 'young'])
  expect(await pruneHelpers(home, monthAgo())).toBe(1)
  expect(kept()).toEqual(['used', 'young'])
  expect(readdirSync(join(home, 'cache/helpers')).toSorted()).toEqual(['.lock', 'trusted'])
})

test('of many installations the last used ones are kept, and those of strangers push out none that is trusted', async () => {
  const { home, keep, kept, placeOf } = aCache()
  await keep('ours')
  const names = Array.from({ length: 102 }, (_, n) => `theirs-${String(n).padStart(3, '0')}`)
  for (const [index, name] of names.slice(0, 100).entries()) {
    mkdirSync(placeOf(name, 'untrusted'), { recursive: true })
    const then = new Date(Date.now() - day + index * 1000)
    utimesSync(placeOf(name, 'untrusted'), then, then)
  }
  for (const name of names.slice(100)) await keep(name, 'untrusted')
  expect(kept('untrusted')).toEqual(names.slice(2))
  expect(kept()).toEqual(['ours'])
  expect(existsSync(join(home, 'cache/helpers/.lock'))).toBe(true)
})

test('what a killed process was removing is removed by the next one', async () => {
  const { home, keep } = aCache()
  await keep('a')
  mkdirSync(join(home, 'cache/helpers/.pruned-b-17'))
  expect(await pruneHelpers(home, monthAgo())).toBe(0)
  expect(readdirSync(join(home, 'cache/helpers')).toSorted()).toEqual(['.lock', 'trusted'])
})

test('a home without any is left as it is', async () => {
  const home = tempDir()
  expect(await pruneHelpers(home, monthAgo())).toBe(0)
  expect(readdirSync(home)).toEqual([])
})
