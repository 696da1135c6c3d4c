// Run by node --test, vitest or whatever the project tests with: what would be built, and what a failing job does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plan, simulate } from 'quern/testing'
import pipeline from './pipeline.ts'

test('only main publishes', async () => {
  const main = await plan(pipeline, { branch: 'main' })
  const feature = await plan(pipeline, { branch: 'feature/mill', files: ['src/mill.ts'] })
  assert.ok(main.runs.some((run) => run.name === 'publish' && run.deploy))
  assert.ok(!feature.runs.some((run) => run.name === 'publish' || run.name === 'docs'))
})

test('nothing is published where a browser fails', async () => {
  const { verdict, order, verdicts } = await simulate(pipeline, { branch: 'main', acts: { 'test firefox phone': 'failed' } })
  assert.equal(verdict, 'failed')
  assert.equal(order[0], 'lint')
  assert.equal(verdicts['publish'], 'skipped')
})
