import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { nowAndThen } from '../../src/build/now-and-then.ts'

test('what takes longer than the time between two begins of it is not owed afterwards', async () => {
  let [begun, ended] = [0, 0]
  const end = nowAndThen(async () => {
    begun++
    await sleep(100)
    ended++
  }, 5)
  await sleep(300)
  const until = begun
  await end()
  expect([begun, ended]).toEqual([until, until])
  expect(until).toBeGreaterThan(0)
})
