import * as v from 'valibot'
import { expect, test } from 'vitest'
import { parseYaml, type YamlError } from '../../src/yaml/parse-yaml.ts'

const schema = v.strictObject({
  hooks: v.optional(
    v.array(v.strictObject({ name: v.string(), secret: v.optional(v.string()), retries: v.optional(v.pipe(v.number(), v.maxValue(5, 'expected at most 5'))) })),
  ),
  grants: v.optional(v.record(v.string(), v.strictObject({ repositories: v.array(v.string()) }))),
})

test('a good file is returned as the schema types it', async () => {
  expect(await parseYaml('hooks:\n  - name: a\n    retries: 2\n', 'quern.yaml', schema)).toEqual({ hooks: [{ name: 'a', retries: 2 }] })
  expect(await parseYaml('# nothing\n', 'quern.yaml', schema)).toEqual({})
})

test.each([
  ['hooks:\n  - name: a\n  - name: 3\n', 'quern.yaml:3: hooks[1].name: expected text, got 3'],
  ['hooks:\n  - name: a\n    colour: red\n', 'quern.yaml:3: hooks[0].colour: unknown key: expected one of name, secret, retries'],
  ['hoks: []\n', 'quern.yaml:1: hoks: unknown key: expected one of hooks, grants'],
  ['grants:\n  TOKEN:\n    repos: []\n    repositories: []\n', 'quern.yaml:3: grants.TOKEN.repos: unknown key: expected one of repositories'],
  ['hooks:\n  - secret: x\n', 'quern.yaml:2: hooks[0].name: is missing'],
  ['hooks:\n  - name: a\n    retries: 9\n', 'quern.yaml:3: hooks[0].retries: expected at most 5'],
  ['hooks:\n  - name: a\n    secret: 12345\n', 'quern.yaml:3: hooks[0].secret: expected text, got something else'],
  ['hooks: yes\n', 'quern.yaml:1: hooks: expected a list, got "yes"'],
  ['- a\n', 'quern.yaml:1: expected a map'],
  ['hooks: []\ngrants: {}\nhooks: []\n', 'quern.yaml:3: the key stands twice in this map: remove one of them'],
  ['hooks:\n\t- name: a\n', 'quern.yaml:2: indented by a tab, which YAML does not allow: use blanks'],
  ['hooks: [\n', 'quern.yaml:2: '],
  ['[a]: x\n', 'quern.yaml:1: expected text as the key: put it in quotes'],
  ['hooks: []\n---\nhooks: []\n', 'quern.yaml:2: expected one document: remove the line "---"'],
  ['hooks: *nobody\n', 'quern.yaml:1: the aliases cannot be resolved'],
])('%j is refused with line, key and what was expected', async (text, message) => {
  await expect(parseYaml(text, 'quern.yaml', schema)).rejects.toThrow(message)
})

test('every problem is told, each on its line', async () => {
  const error = await parseYaml('hooks:\n  - name: 1\n  - name: 2\n', 'quern.yaml', schema).catch((caught: YamlError) => caught)
  expect((error as YamlError).problems.map(({ line, key }) => [line, key])).toEqual([[2, 'hooks[0].name'], [3, 'hooks[1].name']])
})

test('aliases that explode are refused before they fill the memory', async () => {
  const levels = Array.from({ length: 9 }, (_, level) => `a${level}: &a${level} [${Array(9).fill(level === 0 ? 'x' : `*a${level - 1}`).join(', ')}]`)
  await expect(parseYaml(`${levels.join('\n')}\n`, 'quern.yaml', schema)).rejects.toThrow('the aliases cannot be resolved')
})

test('ten megabytes are refused unparsed', async () => {
  await expect(parseYaml('#'.repeat(10_000_000), 'quern.yaml', schema)).rejects.toThrow('expected at most 1000000 characters, got 10000000')
})
