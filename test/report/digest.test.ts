import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDigest, type Digest } from '../../src/report/digest.ts'

interface Expected {
  line: number
  text: string
  file?: string
  file_line?: number
}

const directory = 'test/fixtures/logs'
const corpus = JSON.parse(readFileSync(join(directory, 'expected.json'), 'utf8')) as Record<string, Expected>
const logs = readdirSync(directory).filter((name) => name.endsWith('.log'))

/** The share of logs whose first error, and its place where the log tells it, is found. */
const floor = 0.95

test('the first error of the logs in the corpus is found', () => {
  const wrong = logs.flatMap((name) => difference(name, digestOf(readFileSync(join(directory, name)))))
  const share = 1 - wrong.length / logs.length
  console.log(`first errors found: ${logs.length - wrong.length} of ${logs.length} logs (${(share * 100).toFixed(1)} %)`)
  if (wrong.length > 0) console.log(wrong.join('\n'))
  expect(logs.length).toBeGreaterThanOrEqual(60)
  expect(Object.keys(corpus).map((name) => `${name}.log`).sort()).toEqual(logs.sort())
  expect(share).toBeGreaterThanOrEqual(floor)
})

test('however a log is cut into chunks, its first error is the same', () => {
  for (const name of logs) {
    const bytes = readFileSync(join(directory, name))
    // An odd number of bytes cuts characters and line ends in two.
    if (bytes.length < 20_000) expect(digestOf(bytes, 61), name).toEqual(digestOf(bytes))
  }
})

test('a log made to be slow is looked through up to a bound, in which a short line counts as much as an ordinary one', { tags: 'long' }, () => {
  const behind = (count: number) => digestOf(Buffer.from(`${'error: x\n'.repeat(count)}src/a.c:3:5: error: 'x' undeclared\n`))!.text
  expect(behind(100_000)).toBe("src/a.c:3:5: error: 'x' undeclared")
  expect(behind(250_000)).toBe('error: x')
})

test('a digest has at most 20 lines, none of them very long', () => {
  const log = `a.c:1:1: error: ${'x'.repeat(5000)}\n${'more\n'.repeat(100)}`
  const { lines } = digestOf(Buffer.from(log))!
  expect(lines).toHaveLength(20)
  expect(lines[0]!.length).toBeLessThan(600)
})

test('lines above the error are there although their chunk was passed over', () => {
  const quiet = Buffer.from('all is well\n'.repeat(20_000) + '[ RUN ] make it\n+++ a\nthe line above\n')
  const digest = openDigest()
  digest.push(quiet)
  digest.push(Buffer.from('make: *** [Makefile:3: all] Error 1\n'))
  expect(digest.end()).toMatchObject({ line: 20_004, text: 'make: *** [Makefile:3: all] Error 1' })
  expect(digest.end()!.lines.at(-2)).toBe('the line above')
})

test.each([
  ['without a line end', 'x'],
  ['of words that look like errors', 'error: fail '],
  ['of progress that overwrites itself', '\r  5% done, failed: 0'],
])('one line of 32 MB %s costs no memory and hides no error after it', (_, piece) => {
  const chunk = Buffer.from(piece.repeat(Math.ceil((256 * 1024) / piece.length)))
  const digest = openDigest()
  const before = process.memoryUsage().rss
  for (let count = 0; count < 128; count++) digest.push(chunk)
  digest.push(Buffer.from('\nb.c:2:1: error: expected identifier\n'))
  expect(digest.end()).toMatchObject({ line: 2, file: 'b.c', fileLine: 2 })
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024)
})

test('a log without errors is told by its end, an empty one by nothing', () => {
  expect(digestOf(Buffer.from('one\ntwo\n'))).toMatchObject({ guess: true, lines: ['one', 'two'] })
  expect(digestOf(Buffer.from('\n\n'))).toBeUndefined()
  expect(digestOf(Buffer.alloc(0))).toBeUndefined()
})

test.each([
  '0 errors, 0 warnings',
  'gcc -Werror -c error.c -o error.o',
  '  CC      drivers/error.o',
  '[ 50%] Building C object CMakeFiles/app.dir/error.c.o',
  'test parse_error ... ok',
  'ok 12 - reports an error',
  '  ✓ throws an error on bad input (3 ms)',
  'tests/test_errors.py::test_error PASSED [ 10%]',
  'checking for strerror... yes',
  'warning: this error is deprecated',
  'src/a.c:3:5: warning: unused variable ‘error’ [-Wunused-variable]',
  '[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0',
  '(node:99) DeprecationWarning: Error is deprecated',
  'npm warn deprecated error-lib@1.0.0: this package failed',
  'make: [Makefile:3: clean] Error 1 (ignored)',
  '    Compiling thiserror v1.0.0',
  'not ok 3 - later # TODO not done',
  '+ echo error: none',
])('%s is no error', (line) => {
  expect(digestOf(Buffer.from(`start\n${line}\nend\n`))).toMatchObject({ guess: true })
})

function difference(log: string, found: Digest | undefined): string[] {
  const expected = corpus[log.replace(/\.log$/, '')]!
  const right = found?.line === expected.line && found.lines.some((line) => line.includes(expected.text)) && (expected.file === undefined || (found.file === expected.file && found.fileLine === expected.file_line))
  return right ? [] : [`${log}: expected ${place(expected.line, expected.text, expected.file, expected.file_line)}\n  found ${found && place(found.line, found.text, found.file, found.fileLine)} [${found?.tool}]`]
}

function place(line: number, text: string, file?: string, fileLine?: number): string {
  return `line ${line}${file === undefined ? '' : ` at ${file}:${fileLine}`}: ${text.slice(0, 100)}`
}

function digestOf(bytes: Uint8Array, chunk = bytes.length): Digest | undefined {
  const digest = openDigest()
  for (let start = 0; start < bytes.length; start += chunk) digest.push(bytes.subarray(start, start + chunk))
  return digest.end()
}
