import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Decision } from '../../src/ledger/ledger.ts'
import { together } from '../../src/ledger/together.ts'

test('decisions of one moment are written together, in their order, before anything that waits for the event loop', async () => {
  const written: string[][] = []
  const decide = together((...decisions) => written.push(decisions.map(({ reason }) => reason)))
  decide(decisionFor('one'))
  decide(decisionFor('two'))
  expect(written).toEqual([])
  await Promise.resolve()
  expect(written).toEqual([['one', 'two']])
  await setImmediate()
  decide(decisionFor('three'))
  await Promise.resolve()
  expect(written).toEqual([['one', 'two'], ['three']])
})

function decisionFor(reason: string): Decision {
  return { decision: 'queued', reason }
}
