import { expect, test } from 'vitest'
import { readable, readableLine } from '../../src/model/readable.ts'

test.each([
  ['50 %\r100 %\n', '100 %\n'],
  ['dos\r\nlines\r\r\n', 'dos\nlines\n'],
  ['never finished\r', 'never finished'],
  ['one\rtwo\r\r', 'two'],
  ['\r\r', ''],
  ['\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b]8;;http://x\x1b\\link', 'red link'],
  ['a\0b\u202ec', 'a\ufffdb\ufffdc'],
])('%j is read as %j', (text, read) => {
  expect(readable(text)).toBe(read)
})

test.each(['a', ' ', '\r', '\ra', '\x1b[0', '\x1b]a', '\x1bP', '\x1b', '\u202e'])('a line of megabytes is read in the time that its length takes: %j', (piece) => {
  expect(readableLine(piece.repeat(4_000_000 / piece.length)).length).toBeLessThanOrEqual(4_000_000)
})
