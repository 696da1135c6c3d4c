import { expect, test } from 'vitest'
import { schedule } from '../../src/build/schedule.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import type { Verdict } from '../../src/model/verdict.ts'

test('a run starts the moment its own needs have passed, not when all others have', async () => {
  const order: string[] = []
  await schedule([aRun('slow'), aRun('quick'), aRun('after quick', 'quick'), aRun('after both', 'slow', 'quick')], async ({ name }) => {
    order.push(`${name} starts`)
    await new Promise((resolve) => setTimeout(resolve, name === 'slow' ? 30 : 1))
    order.push(`${name} ends`)
    return { name, verdict: 'passed' }
  })
  expect(order.indexOf('after quick ends')).toBeLessThan(order.indexOf('slow ends'))
  expect(order.indexOf('after both starts')).toBeGreaterThan(order.indexOf('slow ends'))
})

test('what needs a failed run is skipped with the reason, all the way down, and the rest goes on', async () => {
  const verdicts: Record<string, Verdict> = { make: 'failed' }
  const results = await schedule([aRun('make'), aRun('test', 'make'), aRun('publish', 'test'), aRun('lint')], async ({ name }) => ({ name, verdict: verdicts[name] ?? 'passed' }))
  expect(results).toEqual([
    { name: 'make', verdict: 'failed' },
    { name: 'test', verdict: 'skipped', reason: 'it needs make, which failed' },
    { name: 'publish', verdict: 'skipped', reason: 'it needs test, which was skipped' },
    { name: 'lint', verdict: 'passed' },
  ])
})

test('a run with several failed needs is settled once', async () => {
  const results = await schedule([aRun('a'), aRun('b'), aRun('c', 'a', 'b')], async ({ name }) => ({ name, verdict: 'failed' }))
  expect(results.map(({ verdict }) => verdict)).toEqual(['failed', 'failed', 'skipped'])
})

test('a chain of 10,000 runs does not overflow the stack', async () => {
  const runs = Array.from({ length: 10_000 }, (_, index) => (index === 0 ? aRun('0') : aRun(String(index), String(index - 1))))
  const results = await schedule(runs, async ({ name }) => ({ name, verdict: 'passed' }))
  expect(results).toHaveLength(10_000)
})

function aRun(name: string, ...needs: string[]): PlannedRun {
  return { name, job: name, executor: 'scripted', script: '', needs, workspace: 'none', env: {}, params: {}, secrets: [], timeout: 1, network: false, artifacts: [] }
}
