import { expect, test } from 'vitest'
import { openGroups } from '../../src/build/execute/groups.ts'
import { openTurns } from '../../src/build/turns.ts'
import type { PlannedRun } from '../../src/model/plan.ts'

test('a build with services that is over before it has the turns of all its groups keeps none of them', async () => {
  const turns = openTurns()
  const groups = openGroups(turns, [{ group: 'north', service: true }, { group: 'south' }] as PlannedRun[])
  const endSouth = await turns.wait('group south')
  const late = groups.wait('north')
  await new Promise(setImmediate)
  groups.giveBack()
  await new Promise(setImmediate)
  expect([turns.isTaken('group north'), turns.isTaken('group south')]).toEqual([false, true])
  endSouth()
  await late
  await new Promise(setImmediate)
  expect([turns.isTaken('group north'), turns.isTaken('group south')]).toEqual([false, false])
})
