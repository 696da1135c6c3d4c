import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { removeTree } from '../../src/build/work-directory.ts'
import { canMount } from '../helpers/small-disk.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('directories nested deeper than a path can be long are removed', async () => {
  const tree = join(tempDir(), 'tree')
  mkdirSync(tree)
  const name = 'd'.repeat(200)
  execFileSync('bash', ['-c', `for i in {1..60}; do mkdir ${name} && cd ${name}; done; echo > file`], { cwd: tree })
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
})

test('a link is removed, and where it leads nothing changes', async () => {
  const place = tempDir()
  writeFileSync(join(place, 'key'), 'kept', { mode: 0o400 })
  symlinkSync(place, join(place, 'link'))
  await removeTree(join(place, 'link'))
  expect(existsSync(join(place, 'link'))).toBe(false)
  expect(readFileSync(join(place, 'key'), 'utf8')).toBe('kept')
})

test.runIf(canMount)('what is mounted in a tree is taken out first: its files stay where they are', async () => {
  const place = tempDir()
  const [tree, precious] = [join(place, 'tree'), join(place, 'precious')] as const
  for (const path of [join(tree, 'a b/inner'), precious]) mkdirSync(path, { recursive: true })
  writeFileSync(join(precious, 'photo'), 'kept')
  execFileSync('mount', ['--bind', precious, join(tree, 'a b/inner')])
  onTestFinished(() => void spawnSync('umount', ['--lazy', join(tree, 'a b/inner')], { stdio: 'ignore' }))
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
  expect(readFileSync(join(precious, 'photo'), 'utf8')).toBe('kept')
})
