import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseSecrets, readSecrets } from '../../src/secrets/read-secrets.ts'
import { SecretsError } from '../../src/secrets/secrets-error.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const parsed = async (text: string) => Object.fromEntries(await parseSecrets(text, 'secrets.yml'))

test('a map, BYA\'s list, and lines without the blank are read as meant', async () => {
  expect(await parsed('A: one\nB: "two"\n')).toEqual({ A: 'one', B: 'two' })
  expect(await parsed('- A: one\n- B: two\n')).toEqual({ A: 'one', B: 'two' })
  expect(await parsed('A:one\nB:two:three\nC: four\n')).toEqual({ A: 'one', B: 'two:three', C: 'four' })
  expect(await parsed('- A:https://x.example/y\n-  B:two\n')).toEqual({ A: 'https://x.example/y', B: 'two' })
})

test('values are text as written', async () => {
  expect(await parsed('A: 007\nB: yes\nC: null\nD: 1e3\nE:\nF: 0x10\n')).toEqual({ A: '007', B: 'yes', C: 'null', D: '1e3', E: '', F: '0x10' })
  expect(await parsed('KEY: |\n  NAME:value\n  second\nB: x\n')).toEqual({ KEY: 'NAME:value\nsecond\n', B: 'x' })
})

test('an empty file has no secrets', async () => {
  expect(await parsed('')).toEqual({})
  expect(await parsed('# none yet\n')).toEqual({})
})

test.each([
  ['A: "s3cr3t-value\n', /secrets\.yml:\d: not readable as YAML/],
  ['A: x\nB: *s3cr3t-value\n', /secrets\.yml:2: B: expected text/],
  ['A: x\nA: s3cr3t-value\n', /secrets\.yml:2: (?:not readable|A stands there twice)/],
  ['- A: x\n- A: s3cr3t-value\n', /secrets\.yml:2: A stands there twice/],
  ['A:\n  - s3cr3t-value\n', /secrets\.yml:1: A: expected text/],
  ['just s3cr3t-value\n', /expected lines of the form NAME: value/],
  ['my-name: s3cr3t-value\n', /secrets\.yml:1: expected a name of letters/],
  ['A: "s3cr3t-value\\0"\n', /NUL/],
  ['\tA: s3cr3t-value\n', /secrets\.yml:1: not readable as YAML \(TAB_AS_INDENT\)/],
])('%j is refused by its line, without the value', async (text, message) => {
  const error = await parseSecrets(text, 'secrets.yml').then(() => undefined, (reason: unknown) => reason)
  expect(error).toBeInstanceOf(SecretsError)
  expect(String(error)).toMatch(message)
  expect(String(error)).not.toContain('s3cr3t')
})

test('a file that others can read is refused, with the command that mends it', async () => {
  const home = tempDir()
  expect(await readSecrets(home)).toEqual(new Map())
  const path = join(home, 'secrets.yml')
  writeFileSync(path, 'A: one\n', { mode: 0o600 })
  expect(await readSecrets(home)).toEqual(new Map([['A', 'one']]))
  chmodSync(path, 0o640)
  await expect(readSecrets(home)).rejects.toThrow(`its mode is 0640): chmod 600 ${path}`)
})

test.skipIf(process.getuid!() !== 0)('a file of another user is refused, with the command that mends it', async () => {
  const home = tempDir()
  const path = join(home, 'secrets.yml')
  writeFileSync(path, 'A: one\n', { mode: 0o600 })
  chownSync(path, 12345, 12345)
  await expect(readSecrets(home)).rejects.toThrow(/belongs to user 12345, but Quern runs as user 0: chown 0/)
})
