import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { costOfLargeBody, memoryOf } from '../../bench/receiver/memory.ts'
import { startQuern } from '../../bench/receiver/start-server.ts'

test.skipIf(process.platform !== 'linux').each([
  ['that nobody signed', false, '401'],
  ['with an invented signature and no length', true, '413'],
])('a body of 200 MB %s costs less than 40 MB of memory', async (_, signed, status) => {
  const place = mkdtempSync(join(tmpdir(), 'quern-test-'))
  const server = await startQuern(join(place, 'home'))
  onTestFinished(async () => {
    await server.stop()
    rmSync(place, { recursive: true, force: true })
  })
  expect(memoryOf(server.pid).now).toBeLessThan(90)
  const { cost, answer } = await costOfLargeBody(server, signed)
  expect(answer).toContain(status)
  expect(cost).toBeLessThan(40)
})
