import { expect, test } from 'vitest'
import { parseRequest } from '../../src/model/request.ts'

const entry = { repository: 'mill', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: 'Ada', committer_email: 'ada@example.org' }

test.each([
  ['a key that is not there', { ...entry, ref: undefined }, 'ref: is missing'],
  ['a value of the wrong kind', { ...entry, pull_request: 3 }, 'pull_request: expected a map, got 3'],
  ['a word that is not among those', { ...entry, source: 'elsewhere', trusted: true }, /^source: expected \("github" .*, got "elsewhere"$/],
  ['a list', [], /^repository: is missing; ref: is missing; /],
  ['text', 'mill', 'expected a map, got "mill"'],
])('%s is told in the words of the other files that people write', (_, data, message) => {
  expect(() => parseRequest(data)).toThrow(message)
})
