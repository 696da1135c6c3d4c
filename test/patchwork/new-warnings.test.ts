import { expect, test } from 'vitest'
import { countWarnings, newWarnings } from '../../src/patchwork/new-warnings.ts'

async function compare(before: string, now: string): Promise<string[]> {
  const [old, fresh] = await Promise.all([before, now].map((log) => countWarnings(linesOf(log))))
  return newWarnings(old!, fresh!).map(({ file, text, more }) => `${file} ${text} +${more}`)
}

async function* linesOf(log: string): AsyncGenerator<string> {
  yield* log.split('\n')
}

const old = `cc -c a.c
a.c:10:5: warning: unused variable 'x' [-Wunused-variable]
a.c:20:5: warning: unused variable 'x' [-Wunused-variable]
b.c: In function 'f':
`

test('a warning that moved is not new', async () => {
  expect(await compare(old, old.replace('a.c:10:5', 'a.c:12:9'))).toEqual([])
})

test('one more of the same in a file is new, in another file too', async () => {
  expect(await compare(old, `${old}a.c:30:5: warning: unused variable 'x' [-Wunused-variable]\n`)).toEqual(["a.c unused variable 'x' [-Wunused-variable] +1"])
  expect(await compare(old, `${old}b.c:10:5: warning: unused variable 'x' [-Wunused-variable]\n`)).toEqual(["b.c unused variable 'x' [-Wunused-variable] +1"])
})

test('one less is not new, another text is', async () => {
  expect(await compare(old, '')).toEqual([])
  expect(await compare(old, old.replace("'x'", "'y'"))).toEqual(["a.c unused variable 'y' [-Wunused-variable] +1"])
})

test('a file that is named from the directory that it is in is the same one', async () => {
  expect(await compare('src/a.c:1:2: warning: w\n', './src/a.c:9:2: warning: w\n')).toEqual([])
})

test('Clang, MSVC and lines without a column are read, other talk of warnings is not', async () => {
  expect(await compare('', 'x/a.c:7: warning: w1\nb.cpp(12,3): warning C4996: w2\nC:\\src\\c.c(3) : warning C1: w3\n')).toEqual(['x/a.c w1 +1', 'b.cpp w2 +1', 'C:\\src\\c.c w3 +1'])
  expect(await compare('', 'warning: LF will be replaced\ncc1: all warnings being treated as errors\n# warning: no\nld: warning: x\n')).toEqual([])
})

test('a line of 20 MB and a hundred thousand different warnings are bounded', async () => {
  expect(await compare('', `a.c:1: warning: ${'x'.repeat(20_000_000)}`)).toEqual([])
  const many = Array.from({ length: 100_000 }, (_, index) => `a.c:1: warning: number ${index} of them`).join('\n')
  expect(await compare('', many)).toHaveLength(20_000)
})

test('lines of blanks that speak of a warning hold nobody up', async () => {
  // Where the time is the square of a line's length, these take far longer than a test may.
  const lines = `${' '.repeat(9900)}warning\n`.repeat(4000)
  expect(await compare('', lines)).toEqual([])
})
