import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('a secret is set from stdin, printed, changed in an editor, and stands in no argument', async () => {
  const cwd = tempDir()
  const quern = (words: string[], more: { input?: string; env?: Record<string, string> } = {}) => runQuern(tempDir(), ['secrets', ...words], { cwd, ...more })
  expect(await quern(['keygen'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/public key: age1/) })
  expect(await quern(['set', 'TOKEN'], { input: 'not-real-1\n' })).toMatchObject({ code: 0, stdout: '', stderr: '' })
  expect(await quern(['set', 'KEY'], { input: 'two\nlines\n\n' })).toMatchObject({ code: 0 })
  expect(await quern(['get', 'TOKEN'])).toMatchObject({ code: 0, stdout: 'not-real-1\n' })
  expect(await quern(['get', 'KEY'])).toMatchObject({ stdout: 'two\nlines\n\n' })
  const editor = join(cwd, 'editor.sh')
  writeFileSync(editor, '#!/bin/sh\nstat -c %a "$1" > mode\nsed -i -e s/not-real-1/not-real-2/ -e "/^KEY=/d" "$1"\necho "$1" > seen\n')
  chmodSync(editor, 0o755)
  expect(await quern(['edit'], { env: { EDITOR: editor } })).toMatchObject({ code: 0, stderr: '' })
  expect(await quern(['get', 'TOKEN'])).toMatchObject({ stdout: 'not-real-2\n' })
  expect(await quern(['get', 'KEY'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/has no secret KEY; it has TOKEN/) })
  expect(readFileSync(join(cwd, 'mode'), 'utf8')).toBe('600\n')
  expect(existsSync(readFileSync(join(cwd, 'seen'), 'utf8').trim())).toBe(false)
})

test('what is left alone in the editor stays as it is: a backslash before an n, and an empty value that sops wrote', async () => {
  const cwd = tempDir()
  const quern = (words: string[], more: { input?: string; env?: Record<string, string> } = {}) => runQuern(tempDir(), ['secrets', ...words], { cwd, ...more })
  const recorded = fileURLToPath(new URL('../fixtures/sops/', import.meta.url))
  mkdirSync(join(cwd, 'secrets'))
  copyFileSync(join(recorded, 'dotenv-3.13.2.enc'), join(cwd, 'secrets/ci.enc'))
  writeFileSync(join(cwd, 'secrets/ci.key'), readFileSync(join(recorded, 'fake.key')), { mode: 0o600 })
  expect(await quern(['set', 'BACK'], { input: String.raw`a\nb` })).toMatchObject({ code: 0 })
  const editor = join(cwd, 'editor.sh')
  writeFileSync(editor, '#!/bin/sh\nsed -i s/not-a-real-token/not-real-2/ "$1"\n', { mode: 0o755 })
  expect(await quern(['edit'], { env: { EDITOR: editor } })).toMatchObject({ code: 0, stderr: '' })
  expect(await quern(['get', 'BACK'])).toMatchObject({ stdout: 'a\\nb\n' })
  expect(await quern(['get', 'EMPTY'])).toMatchObject({ code: 0, stdout: '\n' })
  expect(await quern(['get', 'TOKEN'])).toMatchObject({ stdout: 'not-real-2\n' })
})

test('mistakes are told in a sentence and change nothing', async () => {
  const cwd = tempDir()
  const quern = (words: string[], more: { input?: string; env?: Record<string, string> } = {}) => runQuern(tempDir(), ['secrets', ...words], { cwd, ...more })
  expect(await quern(['set', 'TOKEN'], { input: 'not-real' })).toMatchObject({ code: 2, stderr: expect.stringMatching(/^quern: .*secrets\/ci\.key is missing.*quern secrets keygen, with the same --home, --env and -C\n$/) })
  await quern(['keygen'])
  expect(await quern(['set', 'PIN'], { input: '1\n' })).toMatchObject({ code: 2, stderr: expect.stringMatching(/PIN has 1 character: one shorter than 4 cannot be masked/) })
  expect(await quern(['set', 'bad-name'], { input: 'not-real' })).toMatchObject({ code: 2, stderr: expect.stringMatching(/expected a name of letters/) })
  expect(await quern(['set', 'sops_mac'], { input: 'not-real' })).toMatchObject({ code: 2, stderr: expect.stringMatching(/sops_mac: names that begin with sops_ are those of SOPS itself/) })
  expect(await quern(['keygen', '--env', '../x'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/expected the name of an environment/) })
  expect(await quern(['edit'], { env: { EDITOR: 'false' } })).toMatchObject({ code: 2, stderr: expect.stringMatching(/nothing was changed/) })
  expect(existsSync(join(cwd, 'secrets/ci.enc'))).toBe(false)
})

test('--home keeps the secrets of this server in its home', async () => {
  const home = tempDir()
  expect(await runQuern(home, ['secrets', 'keygen', '--home', '--env', 'prod'])).toMatchObject({ code: 0 })
  expect(existsSync(join(home, 'secrets/prod.key'))).toBe(true)
})

test('list names the secrets of a repository, and of the server with their grants, and shows no value', async () => {
  const cwd = tempDir()
  const quern = (words: string[], input = '') => runQuern(cwd, ['secrets', ...words], { cwd, input })
  await quern(['keygen'])
  expect((await quern(['list'])).stdout).toBe(`${cwd}/secrets/ci.enc holds no secret.\n`)
  for (const name of ['TOKEN', 'OTHER']) await quern(['set', name], 'not-a-real-value')
  expect(await quern(['list'])).toEqual({ code: 0, stdout: 'TOKEN\nOTHER\n', stderr: '' })
  expect(JSON.parse((await quern(['list', '--json'])).stdout)).toEqual([{ name: 'TOKEN' }, { name: 'OTHER' }])

  writeFileSync(join(cwd, 'secrets.yml'), "PLAIN: 'not-a-real-value'\n", { mode: 0o600 })
  writeFileSync(join(cwd, 'quern.yaml'), "grants:\n  secrets:\n    TOKEN:\n      - acme/app\n      - repositories: 'acme/*'\n        refs: [main, 'refs/tags/v*']\n    LOST: [acme/app]\n")
  expect(await quern(['list', '--home'])).toEqual({
    code: 0,
    stdout: ['NAME   GRANTED TO', 'TOKEN  acme/app; acme/* at main, refs/tags/v*', 'OTHER  job-defs alone', 'PLAIN  job-defs alone', 'LOST   acme/app (but there is no secret of that name)', ''].join('\n'),
    stderr: '',
  })
  expect(JSON.parse((await quern(['list', '--home', '--json'])).stdout)).toContainEqual({ name: 'LOST', there: false, grants: [{ repositories: ['acme/app'], refs: ['**'] }] })
})
