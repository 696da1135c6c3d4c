import { expect, test } from 'vitest'
import { readGlobs } from '../../src/record/artifact-globs.ts'

test.each([
  ['*.log', ['a.log', '.log', 'ä.log'], ['a.log.gz', 'd/a.log', 'alog']],
  ['**/*.log', ['a.log', 'd/e/.a.log'], ['a.txt']],
  ['dist/**', ['dist/a', 'dist/d/a'], ['a', 'distant/a']],
  ['a/**/b/*/c', ['a/b/x/c', 'a/1/2/b/x/c', 'a/b/b/x/c'], ['a/b/c', 'b/x/c']],
  ['*a*b*', ['ab', 'xaxbx', 'aab'], ['ba', 'a']],
  ['a**b', ['ab', 'axxb'], ['a/b']],
  ['?[a-c!][!x]', ['1a2', '1!2'], ['1d2', '1ax', '1a']],
  ['[]a]', [']', 'a'], ['b']],
  ['[a', ['[a'], ['a']],
  ['{a,b{1,2}}.{xml,json}', ['a.xml', 'b1.json', 'b2.xml'], ['b.xml', 'b3.json']],
  ['v{9..11}', ['v9', 'v10', 'v11'], ['v12', 'v{9..11}']],
  ['{a}', ['{a}'], ['a']],
  [String.raw`\*\{a,b\}`, ['*{a,b}'], ['xa']],
  ['./out//report.txt', ['out/report.txt'], ['report.txt']],
  ['../a', [], ['../a', 'a']],
])('%s', (glob, named, others) => {
  const { names } = readGlobs([glob])
  expect([named.filter((path) => !names(path)), others.filter(names)]).toEqual([[], []])
})

test('files of a glob after "!" are left out', () => {
  const { names } = readGlobs(['**', '!**/*.o'])
  expect(['a.c', 'd/a.o'].map(names)).toEqual([true, false])
})

test('only the directories that are named are looked through, none twice', () => {
  expect(readGlobs(['out/x/*.log', 'out/x/y/z.txt', 'file', 'b{1,2}/**']).bases).toEqual([''])
  expect(readGlobs(['out/x/*.log', 'out/x/y/z.txt', 'b{1,2}/**']).bases.toSorted()).toEqual(['b1', 'b2', 'out/x'])
})

test('globs that were made to be slow are given up, before the first name is done', () => {
  // Each star finds as many places as the name is long, and at each the letters fit until the last one.
  const glob = ['**', ...Array.from({ length: 8 }, () => `*${'a'.repeat(100)}`)].join('/')
  const { names } = readGlobs(Array.from({ length: 150 }, (_, index) => `${glob}b${index}`))
  expect(() => names(Array.from({ length: 15 }, () => 'a'.repeat(200)).join('/'))).toThrow('takes too long: name fewer globs')
})

test('many names take as long as they take', () => {
  const { names } = readGlobs(['build/**/*.xml', '!**/*.tmp.xml'])
  const files = Array.from({ length: 100_000 }, (_, file) => names(`build/packages/module/tests/results/file-${file}.xml`))
  expect(files).not.toContain(false)
})
