import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { warningsIn } from '../../src/build/blame/run-warnings.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('the tree that a run worked in does not count: each works in another one', async () => {
  const home = tempDir()
  const inTree = (tree: string) => warningsIn(home, { build: keepLog(home, tree, `${home}/cache/work/${tree}/tree/src/a.c:1:2: warning: as in ${home}/cache/work/${tree}/tree/src/b.h\n`), run: 'make' })
  expect(await inTree('1')).toEqual(await inTree('2'))
  expect([...(await inTree('1'))!.keys()]).toEqual(['src/a.c\0as in src/b.h'])
})

test('of a log that is not there nothing is known', async () => {
  expect(await warningsIn(tempDir(), { build: 'app/1', run: 'make' })).toBeUndefined()
})

function keepLog(home: string, number: string, text: string): string {
  const directory = join(home, 'builds/app', number, 'runs/make')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'console.log'), text)
  return `app/${number}`
}
