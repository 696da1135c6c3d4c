import { expect, test } from 'vitest'
import { schedule } from '../../src/build/execute/schedule.ts'
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

test('a service starts before those that need it, and is stopped when all others have ended', async () => {
  const order: string[] = []
  const results = await schedule([aService('db'), aRun('test', 'db'), aRun('report', 'test')], async (run, service) => {
    order.push(`${run.name} starts`)
    if (service === undefined) return { name: run.name, verdict: run.name === 'test' ? 'failed' : 'passed' }
    setTimeout(service.usable, 5)
    await new Promise((resolve) => service.over.addEventListener('abort', resolve))
    order.push(`${run.name} is stopped`)
    return { name: run.name, verdict: 'cancelled', code: 143, signal: 'SIGTERM' }
  })
  expect(order).toEqual(['db starts', 'test starts', 'db is stopped'])
  expect(results).toEqual([{ name: 'db', verdict: 'passed' }, { name: 'test', verdict: 'failed' }, { name: 'report', verdict: 'skipped', reason: 'it needs test, which failed' }])
})

test('a service that dies at start skips what needs it, and says so', async () => {
  const results = await schedule([aService('db'), aRun('test', 'db'), aRun('lint')], async ({ name }) => (name === 'db' ? { name, verdict: 'failed', code: 7 } : { name, verdict: 'passed' }))
  expect(results).toEqual([
    { name: 'db', verdict: 'failed', code: 7, reason: 'the service ended by itself with exit code 7' },
    { name: 'test', verdict: 'skipped', reason: 'it needs db, which failed' },
    { name: 'lint', verdict: 'passed' },
  ])
})

test('a service that dies later has failed, one that ends with 0 has passed', async () => {
  const start: Parameters<typeof schedule>[1] = async ({ name }, service) => {
    service?.usable()
    await new Promise((resolve) => setTimeout(resolve, name === 'test' ? 40 : 5))
    return name === 'db' ? { name, verdict: 'failed', code: 1 } : { name, verdict: 'passed' }
  }
  const results = await schedule([aService('db'), aService('seed'), aRun('test', 'db', 'seed')], start)
  expect(results.map(({ verdict }) => verdict)).toEqual(['failed', 'passed', 'passed'])
})

test('where a run cannot be recorded its services are stopped all the same', async () => {
  let stopped = false
  const start: Parameters<typeof schedule>[1] = async ({ name }, service) => {
    if (service === undefined) throw new Error('disk full')
    service.usable()
    await new Promise((resolve) => service.over.addEventListener('abort', resolve))
    stopped = true
    return { name, verdict: 'cancelled' }
  }
  await expect(schedule([aService('db'), aRun('test', 'db')], start)).rejects.toThrow('disk full')
  expect(stopped).toBe(true)
})

test('where a run cannot be recorded nothing of the plan is left at work', async () => {
  const ended: string[] = []
  const start: Parameters<typeof schedule>[1] = async ({ name }) => {
    if (name === 'torn') throw new Error('disk full')
    await new Promise((resolve) => setTimeout(resolve, 20))
    ended.push(name)
    return { name, verdict: 'passed' }
  }
  await expect(schedule([aRun('torn'), aRun('slow'), aRun('after', 'slow'), aRun('never', 'torn')], start)).rejects.toThrow('disk full')
  expect(ended).toEqual(['slow', 'after'])
})

test('a service that was ended by a signal says by which', async () => {
  const results = await schedule([aService('db')], async ({ name }) => ({ name, verdict: 'failed', code: 137, signal: 'SIGKILL' }))
  expect(results).toMatchObject([{ verdict: 'failed', reason: 'the service was ended by SIGKILL' }])
})

test('what a plan leaves out is skipped with its reason, and so is what needs it', async () => {
  const results = await schedule([{ ...aRun('deploy'), skip: 'not now' }, aRun('tell', 'deploy')], async ({ name }) => ({ name, verdict: 'passed' }))
  expect(results.map(({ verdict, reason }) => [verdict, reason])).toEqual([['skipped', 'not now'], ['skipped', 'it needs deploy, which was skipped']])
})

function aService(name: string): PlannedRun {
  return { ...aRun(name), service: true }
}

function aRun(name: string, ...needs: string[]): PlannedRun {
  return { name, job: name, executor: 'scripted', script: '', needs, workspace: 'none', env: {}, params: {}, secrets: [], timeout: 1, network: false, artifacts: [] }
}
