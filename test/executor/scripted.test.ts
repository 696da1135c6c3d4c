import { expect, test } from 'vitest'
import { openScripted } from '../../src/executor/scripted.ts'
import { runScript } from '../helpers/run-script.ts'

const executor = openScripted({
  slow: { takes: 60_000, output: 'started\n' },
  red: { output: 'no\n', ending: { verdict: 'failed', code: 2 } },
  'no such image': { ending: { verdict: 'errored', reason: 'the image is not here' } },
  'a/b': { ending: { verdict: 'failed', code: 1 } },
})

test('a run without an act passes silently', async () => {
  expect(await runScript(executor, '', { id: 'h/p/1/other' })).toMatchObject({ verdict: 'passed', code: 0, output: '' })
})

test('a run ends as its act says, by its name', async () => {
  expect(await runScript(executor, '', { id: 'h/p/1/red' })).toMatchObject({ verdict: 'failed', code: 2, output: 'no\n' })
  expect(await runScript(executor, '', { id: 'h/p/1/a/b' })).toMatchObject({ verdict: 'failed', code: 1 })
  expect(await runScript(executor, '', { id: 'h/p/1/no such image' })).toMatchObject({ verdict: 'errored', reason: 'the image is not here' })
})

test('a slow run is timed out, or cancelled', async () => {
  const id = 'h/p/1/slow'
  expect(await runScript(executor, '', { id, limits: { timeout: 20, grace: 1 } })).toMatchObject({ verdict: 'timed-out', output: 'started\n' })
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 20)
  expect(await runScript(executor, '', { id, signal: controller.signal })).toMatchObject({ verdict: 'cancelled' })
})

test('what starts is seen by the test', async () => {
  const seen: string[] = []
  await runScript(openScripted(({ id }) => ({ starts: () => void seen.push(id) })), '', { id: 'h/p/1/x' })
  expect(seen).toEqual(['h/p/1/x'])
})
