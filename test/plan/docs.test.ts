import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readJobDefinition } from '../../src/plan/read-job-definitions.ts'
import { jobDefinitionSchema } from '../../src/plan/job-definition.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const page = readFileSync('docs/job-definitions.md', 'utf8')

test('the definition in the docs is one', async () => {
  const example = /\n\n((?: {4}.*\n)+)/.exec(page)![1]!.replace(/^ {4}/gm, '')
  const directory = tempDir()
  writeFileSync(join(directory, 'example.yml'), example)
  expect(await readJobDefinition(directory, 'example')).toMatchObject({ containers: [{ image: 'ubuntu' }, {}], params: [{ name: 'git_branch' }, {}] })
})

test('the docs name every key', () => {
  const keys = Object.keys(jobDefinitionSchema.entries)
  for (const key of keys) expect(page, key).toMatch(new RegExp(`(?:\`${key}\`|^ {4}${key}:)`, 'm'))
})
