import { toJsonSchema } from '@valibot/to-json-schema'
import { expect, test } from 'vitest'
import { jobDefinitionSchema } from '../../src/plan/job-definition.ts'

/** What editors check a job definition by. Rules that JSON Schema has no words for are left to `quern lint`. */
const text = `${JSON.stringify({ title: 'Quern job definition', ...toJsonSchema(jobDefinitionSchema, { typeMode: 'input', errorMode: 'ignore' }) }, asWritten, 2)}\n`

/** YAML's numbers and words like `yes` are text in some places, which an editor must not refuse. */
function asWritten(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('written' in value)) return value
  const { written: _written, ...schema } = value
  return { ...schema, type: ['string', 'number', 'boolean', 'null'] }
}

test('the published JSON Schema is that of the code ("npx vitest run test/plan/job-schema.test.ts --update" writes it)', async () => {
  await expect(text).toMatchFileSnapshot('../../schema/job-definition.schema.json')
})

test('it names every key, the one that is required, and refuses others', () => {
  const schema = JSON.parse(text) as { properties: Record<string, unknown>; required: string[]; additionalProperties: boolean }
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['description', 'containers', 'params', 'script', 'retention', 'mounts']))
  expect(schema.required).toEqual(['script'])
  expect(schema.additionalProperties).toBe(false)
  expect(schema.properties['env']).toMatchObject({ additionalProperties: { type: ['string', 'number', 'boolean', 'null'] } })
})
