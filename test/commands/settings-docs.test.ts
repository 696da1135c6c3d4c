import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fastGlob from 'fast-glob'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { configSchema } from '../../src/commands/open-config.ts'
import { parseEnvironment } from '../../src/config/environment.ts'
import { parseYaml } from '../../src/yaml/parse-yaml.ts'

const docs = readFileSync('docs/settings.md', 'utf8')
const example = readFileSync('environment.example.sh', 'utf8')
const names = Object.keys(configSchema.settings)

/** The rows of the tables under environment.sh: name and default. */
const rows = new Map([...docs.slice(0, docs.indexOf('### The launcher')).matchAll(/^\| `([A-Z_]+)` \| (?:`([^`]*)`)? *\|/gm)].map((match) => [match[1]!, match[2] ?? '']))

test('the settings of every room are composed, and no two rooms have the same one', async () => {
  const files = fastGlob.sync('src/**/*.ts').filter((file) => /^export const \w+Environment = \{/m.test(readFileSync(file, 'utf8')))
  const rooms = await Promise.all(files.map((file) => import(/* @vite-ignore */ join(process.cwd(), file)) as Promise<Record<string, object>>))
  const entries = rooms.flatMap((room) => Object.keys(room).filter((name) => name.endsWith('Environment') && typeof room[name] === 'object').flatMap((name) => Object.entries(room[name]!)))
  expect(entries.map(([name]) => name).toSorted()).toEqual(names.toSorted())
})

test('docs/settings.md has exactly the settings that there are', () => {
  expect([...rows.keys()].toSorted()).toEqual(names.toSorted())
})

test.each(names)('%s has its default in docs/settings.md', (name) => {
  const schema = configSchema.settings[name as keyof typeof configSchema.settings]
  expect(rows.get(name)).toBe(v.getDefault(schema as v.OptionalSchema<v.StringSchema<undefined>, string>) ?? '')
})

test.each(names)('%s is in environment.example.sh', (name) => {
  expect(example).toMatch(new RegExp(`^(?:# )?export ${name}=`, 'm'))
})

test('every line of environment.example.sh is good once it is taken out of its comment', () => {
  const { values } = parseEnvironment(example.replace(/^# (?=export )/gm, ''), 'environment.example.sh')
  const given = Object.fromEntries(Object.entries(values).filter(([name, value]) => names.includes(name) && value !== ''))
  expect(v.safeParse(v.object(configSchema.settings), given).issues).toBeUndefined()
  expect(Object.keys(values).filter((name) => !names.includes(name))).toEqual(['NODE'])
})

test.each(Object.keys(configSchema.structure))('the key %s of quern.yaml has its heading in docs/settings.md and its place in the example', (key) => {
  expect(docs).toContain(`\n### ${key}\n`)
  expect(readFileSync('examples/quern.yaml', 'utf8')).toMatch(new RegExp(`^#${key}:`, 'm'))
})

test('examples/quern.yaml is good, as it is and once it is taken out of its comments', async () => {
  const text = readFileSync('examples/quern.yaml', 'utf8')
  await parseYaml(text, 'quern.yaml', v.strictObject(configSchema.structure))
  await parseYaml(text.replace(/^#(?! )/gm, '').replace(/^#(?= {2})/gm, ''), 'quern.yaml', v.strictObject(configSchema.structure))
})
