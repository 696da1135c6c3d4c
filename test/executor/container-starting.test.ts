import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { openContainer } from '../../src/executor/container.ts'
import { until } from '../helpers/a-home.ts'
import { makeExecution } from '../helpers/run-script.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const { program } = vi.hoisted(() => ({ program: { path: '' } }))
vi.mock(import('../../src/executor/find-program.ts'), async (original) => {
  const { findProgram } = await original()
  return { findProgram: (name) => (name === 'docker' ? program.path : findProgram(name)) }
})

/** An engine that takes its time to start a container, whose script is deaf to SIGTERM. */
const slowEngine = `#!/bin/bash
cd "\${0%/*}"
case $1 in
  start) touch starting; sleep 1; touch running; for (( look = 0; look < 200; look++ )); do [ -e killed ] && exit 137; sleep 0.1; done; echo 'ended by itself' ;;
  exec) [ -e running ] || { echo 'the container is not running' >&2; exit 1; } ;;
  kill) [ -e running ] || { echo 'the container is not running' >&2; exit 1; }; touch killed ;;
  inspect) echo '2026-01-01T00:00:00Z|137|false|false' ;;
esac
`

/** An engine whose command line loses its container: what asks later finds that it runs. */
const losingEngine = `#!/bin/bash
case $1 in
  inspect) echo '2026-01-01T00:00:00Z|0|false|true' ;;
esac
`

function containersOf(engine: string) {
  const directory = tempDir()
  program.path = join(directory, 'engine')
  writeFileSync(program.path, engine, { mode: 0o755 })
  return { directory, container: openContainer({ engine: 'docker', engineOptions: [], engineEnvironment: { PATH: '/usr/bin:/bin' }, pull: 'never', user: '1000' }) }
}

test('a container that is told to die before it runs is told again', async () => {
  const { directory, container } = containersOf(slowEngine)
  let output = ''
  const stop = new AbortController()
  const ended = container.execute(makeExecution('true', { image: 'any', limits: { timeout: 60_000, grace: 1 }, output: (chunk) => void (output += Buffer.from(chunk).toString()) }), stop.signal)
  await until('it starts', () => existsSync(join(directory, 'starting')))
  stop.abort()
  expect({ ...(await ended), output }).toMatchObject({ verdict: 'cancelled', output: '' })
})

test('a run has not passed because the connection to its container broke: the script was still at work', async () => {
  const { container } = containersOf(losingEngine)
  const ending = await container.execute(makeExecution('exit 3', { image: 'any' }), new AbortController().signal)
  expect(ending).toMatchObject({ verdict: 'errored', reason: expect.stringContaining('while the container ran on') })
})
