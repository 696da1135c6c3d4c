import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { removeTree } from '../../src/build/execute/work-directory.ts'
import { findProgram } from '../../src/executor/find-program.ts'
import { bundle } from '../helpers/bundle.ts'
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

test('what is removed is as large as it may be: all else goes on meanwhile', async () => {
  const tree = join(tempDir(), 'tree')
  mkdirSync(tree)
  execFileSync('bash', ['-c', 'for d in {1..30}; do mkdir $d; for f in {1..100}; do echo > $d/$f; done; done'], { cwd: tree })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  onTestFinished(() => clearInterval(timer))
  await removeTree(tree)
  expect(existsSync(tree)).toBe(false)
  expect(turns).toBeGreaterThan(0)
})

test('names that are no text are removed, few of them and many', async () => {
  for (const count of [3, 3000]) {
    const tree = join(tempDir(), 'tree')
    mkdirSync(tree)
    execFileSync('bash', ['-c', `for ((n = 0; n < ${count}; n++)); do echo > $'\\xff\\xfe'$n; done; mkdir $'\\xff'; echo > $'\\xff/\\xfe'`], { cwd: tree })
    await removeTree(tree)
    expect(existsSync(tree)).toBe(false)
  }
})

test('nothing there, a file and an open pipe are removed without a word', async () => {
  const place = tempDir()
  execFileSync('mkfifo', [join(place, 'pipe')])
  writeFileSync(join(place, 'file'), '')
  for (const name of ['pipe', 'file', 'nothing']) await removeTree(join(place, name))
  expect(readdirSync(place)).toEqual([])
})

test.runIf(process.getuid?.() === 0).each([1, 1000])('directories that an ordinary user’s job made unreadable are removed by that user (%i files in them)', (count) => {
  const place = tempDir()
  const program = bundle('src/build/execute/work-directory.ts', place)
  const tree = join(place, 'trees/tree')
  const user = (command: string) => execFileSync(findProgram('setpriv')!, ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'bash', '-c', command], { cwd: place, encoding: 'utf8' })
  chmodSync(place, 0o777)
  user(`mkdir -p ${tree}/closed/inner && touch ${tree}/closed/inner/{1..${count}} && chmod 000 ${tree}/closed/inner && chmod 300 ${tree}/closed && chmod 500 ${tree}`)
  user(`${process.execPath} --input-type=module -e 'import { removeTree } from "${program}"; await removeTree("${tree}")'`)
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
