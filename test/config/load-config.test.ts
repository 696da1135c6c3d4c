import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.ts'
import { flag, list, wholeNumber } from '../../src/model/setting.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const schema = {
  settings: {
    QUERN_TEST_THREADS: v.optional(wholeNumber({ min: 1, max: 64 }), '1'),
    QUERN_TEST_FLAG: v.optional(flag, '1'),
    QUERN_TEST_NAMES: v.optional(list, ''),
    QUERN_TEST_SECRET: v.optional(v.pipe(v.string(), v.minLength(8, 'expected at least 8 characters'))),
  },
  structure: { hooks: v.optional(v.array(v.strictObject({ name: v.string() })), []) },
}

afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('QUERN_TEST_')) delete process.env[name]
})

function homeWith(files: Record<string, string>): string {
  const home = tempDir()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
  return home
}

test('a home without files has the defaults', async () => {
  const config = await loadConfig(homeWith({}), schema)
  expect(config.settings).toEqual({ QUERN_TEST_THREADS: 1, QUERN_TEST_FLAG: true, QUERN_TEST_NAMES: [] })
  expect(config.structure).toEqual({ hooks: [] })
})

test('environment.sh wins over the process environment, which gives what the file leaves out', async () => {
  process.env['QUERN_TEST_THREADS'] = '5'
  process.env['QUERN_TEST_NAMES'] = 'A,B C'
  const { settings, environment } = await loadConfig(homeWith({ 'environment.sh': 'export QUERN_TEST_THREADS="3"\nexport OTHER="x"\n' }), schema)
  expect(settings).toMatchObject({ QUERN_TEST_THREADS: 3, QUERN_TEST_NAMES: ['A', 'B', 'C'] })
  expect(environment).toMatchObject({ OTHER: 'x', QUERN_TEST_THREADS: '3', QUERN_TEST_NAMES: 'A,B C' })
})

test('an empty value counts as not set', async () => {
  const { settings } = await loadConfig(homeWith({ 'environment.sh': 'export QUERN_TEST_THREADS=""\n' }), schema)
  expect(settings.QUERN_TEST_THREADS).toBe(1)
})

test('a wrong setting is told with file, line, what was expected and what came', async () => {
  const home = homeWith({ 'environment.sh': '# x\nexport QUERN_TEST_THREADS="two"\nexport QUERN_TEST_FLAG="yes"\n' })
  await expect(loadConfig(home, schema)).rejects.toThrow(
    expect.objectContaining({
      name: 'ConfigError',
      message: `${home}/environment.sh:2: QUERN_TEST_THREADS: expected a whole number from 1 to 64, got "two"\n${home}/environment.sh:3: QUERN_TEST_FLAG: expected 1 (yes) or 0 (no), got "yes"`,
    }),
  )
})

test('a wrong secret is not shown', async () => {
  process.env['QUERN_TEST_SECRET'] = 'hunter2'
  await expect(loadConfig(homeWith({}), schema)).rejects.toThrow(
    expect.objectContaining({ message: 'the environment that Quern was started with: QUERN_TEST_SECRET: expected at least 8 characters' }),
  )
})

test('a wrong quern.yaml is told with file, line and key', async () => {
  const home = homeWith({ 'quern.yaml': 'hooks:\n  - name: a\n  - nam: b\n' })
  await expect(loadConfig(home, schema)).rejects.toThrow(expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining(`${home}/quern.yaml:3: hooks[1].nam: unknown key: expected one of name`) }))
})
