import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { aHome } from './helpers/a-home.ts'
import { runQuern } from './helpers/run-quern.ts'
import { tempDir } from './helpers/temp-dir.ts'

test('what npm install compiled is what a builder starts from: it keeps nothing', async () => {
  const { drop, build, list, status } = aHome()
  drop()
  await build()
  expect(status('app/1')).toBe('PASSED')
  expect(compiled('dist')).toHaveLength(1)
  expect(list('cache/code')).toEqual([])
})

test('the program is ASCII throughout, as it is read: in its regular expressions and templates, too', () => {
  const [bundle] = readdirSync('dist').filter((name) => /^quern-.*\.cjs$/.test(name))
  const strange = readFileSync(join('dist', bundle!), 'utf8').split('\n').filter((line) => /[^\0-\x7f]/.test(line))
  expect(strange).toEqual([])
})

test('an installation without development packages is told what to run instead', async () => {
  const root = tempDir()
  cpSync('build.mjs', join(root, 'build.mjs'))
  await expect(promisify(execFile)(process.execPath, ['build.mjs'], { cwd: root })).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^Quern is compiled when it is installed, .* run "npm ci --include=dev" .*\n$/) })
})

test('a version that cannot be compiled leaves the one that is there', { tags: 'long' }, async () => {
  const root = tempDir()
  for (const name of ['build.mjs', 'src', 'tsconfig.json', 'tsconfig.types.json', 'package.json']) cpSync(name, join(root, name), { recursive: true })
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'))
  mkdirSync(join(root, 'dist'))
  writeFileSync(join(root, 'dist/main.cjs'), 'what was there\n')
  writeFileSync(join(root, 'src/main.ts'), 'no program (')
  await expect(promisify(execFile)(process.execPath, ['build.mjs'], { cwd: root })).rejects.toMatchObject({ code: 1 })
  expect(readdirSync(root).filter((name) => name.startsWith('dist'))).toEqual(['dist'])
  expect(readdirSync(join(root, 'dist'))).toEqual(['main.cjs'])
})

test('a builder of another Node keeps its compiled code in the home, and the next ones start from it', async () => {
  const { home, drop, list, status } = aHome()
  const build = builderOfAnother(home)
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
  const { home, drop, list, status } = aHome()
  const build = builderOfAnother(home)
  drop()
  await build()
  const [name] = list('cache/code')
  const [spoiled, content] = spoil(name!)
  writeFileSync(join(home, 'cache/code', name!), 'not ours')
  writeFileSync(join(home, 'cache/code', spoiled!), content!)
  drop()
  expect(await build()).toEqual({ stdout: '', stderr: '' })
  expect(status('app/2')).toBe('PASSED')
  expect(list('cache/code')).toEqual([name])
  expect(statSync(join(home, 'cache/code', name!)).size).toBeGreaterThan(100_000)
})

test('other commands keep nothing', async () => {
  const { home, list } = aHome()
  expect((await runQuern(home, ['queue'])).code).toBe(0)
  expect(list('cache')).toEqual([])
})

const compiled = (directory: string) => readdirSync(directory).filter((name) => name.endsWith(process.arch))

/** The builder of an installation without compiled code, as one is whose Node was changed. */
function builderOfAnother(home: string) {
  const root = tempDir()
  const isLean = (path: string) => basename(path) !== 'types' && !path.endsWith(process.arch)
  for (const name of ['bin', 'dist', 'scripts', 'package.json']) cpSync(name, join(root, name), { recursive: true, filter: isLean })
  return () => promisify(execFile)(join(root, 'bin/quern'), ['build'], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home } })
}
