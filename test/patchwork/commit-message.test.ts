import { expect, test } from 'vitest'
import { commitMessageWarnings, type CommitMessageRule } from '../../src/patchwork/commit-message.ts'

const all: CommitMessageRule[] = ['subject_length', 'area', 'blank_line', 'signed_off_by', 'trailing_stop', 'empty_body', 'line_length']
const good = `avcodec/h264: fix the size of a table

It was one too small, which a 4:4:4 stream showed.

Signed-off-by: Ann Example <ann@example.com>
`

const cases: [string, string, string[]][] = [
  ['a good message', good, []],
  ['nothing but a subject', 'lib: do it', ['signed_off_by', 'empty_body']],
  ['no area', good.replace('avcodec/h264: f', 'F'), ['area']],
  ['a URL in place of an area', good.replace('avcodec/h264: fix', 'https://x.example fix'), ['area']],
  ['a long subject', good.replace('a table', 'a table that is so long that nobody could ever read it in a list of commits'), ['subject_length']],
  ['73 characters outside ASCII', `x: ${'ß'.repeat(70)}\n\nText.\n\nSigned-off-by: A <a@b.c>`, ['subject_length']],
  ['72 characters outside ASCII', `x: ${'𝄞'.repeat(69)}\n\nText.\n\nSigned-off-by: A <a@b.c>`, []],
  ['no blank line', good.replace('\n\nIt', '\nIt'), ['blank_line']],
  ['a full stop', good.replace('table', 'table.'), ['trailing_stop']],
  ['an ellipsis', good.replace('table', 'table...'), []],
  ['trailers only', 'lib: do it\n\nSigned-off-by: A <a@b.c>\nReviewed-by: B <b@b.c>', ['empty_body']],
  ['a sign-off without an address', good.replace(' <ann@example.com>', ''), ['signed_off_by']],
  ['a long line', good.replace('It was', `It was ${'very '.repeat(30)}`), ['line_length']],
  ['a long link', good.replace('It was', `https://example.org/${'x'.repeat(120)} is\nIt was`), []],
  ['nothing at all', '', ['area', 'signed_off_by', 'empty_body']],
]

test.each(cases)('%s', (_, message, expected) => {
  expect(commitMessageWarnings(message, all).map(({ context }) => context.replace(/^commit_msg_/, ''))).toEqual(expected)
})

test('only the chosen rules warn, and say what was expected', () => {
  expect(commitMessageWarnings('Do it.', ['trailing_stop'])).toEqual([{ context: 'commit_msg_trailing_stop', description: 'the subject ends in a full stop' }])
  expect(commitMessageWarnings('Do it.', [])).toEqual([])
})
