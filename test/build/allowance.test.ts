import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openAllowance } from '../../src/build/allowance.ts'
import { grindQueue } from '../../src/build/builder.ts'
import { configSchema } from '../../src/commands/open-config.ts'
import { openWorkshop } from '../../src/commands/open-workshop.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import type { Request } from '../../src/model/request.ts'
import { aHome } from '../helpers/a-home.ts'
import { aPipelineHome } from '../helpers/a-pipeline-home.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const untrusted: Partial<Request> = { source: 'github', trusted: false }
const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

describe('what a build may use', () => {
  const minute = 60_000

  test('is time while something of it is at work, counted once, and none while it waits', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const ends: string[] = []
    const { begin } = openAllowance({ time: 10, output: 1 }, (reason) => ends.push(reason))
    const [one, other] = [begin(), begin()]
    vi.advanceTimersByTime(6 * minute)
    one()
    other()
    vi.advanceTimersByTime(20 * minute)
    begin()
    vi.advanceTimersByTime(3 * minute)
    expect(ends).toEqual([])
    vi.advanceTimersByTime(2 * minute)
    expect(ends).toEqual([expect.stringContaining('(UNTRUSTED_TIMEOUT in environment.sh)')])
  })

  test('is a number of bytes, which stops what would come after them', () => {
    const ends: string[] = []
    const { begin, keep } = openAllowance({ time: 1, output: 1 }, (reason) => ends.push(reason))
    const directory = tempDir()
    mkdirSync(join(directory, 'artifacts'))
    writeFileSync(join(directory, 'artifacts/big'), '')
    truncateSync(join(directory, 'artifacts/big'), 600_000)
    for (const expected of [0, 0, 1]) {
      begin()()
      keep(directory)
      expect(ends).toHaveLength(expected === 0 ? 0 : 1)
    }
  })

  test('is not bounded here where it is trusted', async () => {
    const { begin, keep } = openAllowance(undefined, () => expect.unreachable())
    begin()
    keep('/nowhere')
    await sleep(20)
  })
})

/** A run that hangs, as a plan of its own would have many. */
const hang = (name: string): PlannedRun => ({ name, job: name, executor: 'shell', script: 'echo up; sleep 600', needs: [], workspace: 'none', env: {}, params: {}, secrets: [], timeout: 60, network: false, artifacts: [] })

test('an untrusted build of many long runs gives way once its time is up, and the queue goes on', async () => {
  const { home, drop, result, list } = aHome()
  drop(untrusted)
  drop({ commit_id: 'b'.repeat(40) })
  const workshop = openWorkshop(await loadConfig(home, configSchema), 2)
  const settled = { disclose: async () => ({ env: {}, hidden: [], withheld: [] }) }
  workshop.untrusted = { time: 0.01, output: 1 }
  workshop.settle = async (request) => ({ ...settled, request, plan: { pipeline: 'file:a.ts', why: 'a test', notify: [], runs: request.trusted === false ? Array.from({ length: 50 }, (_, n) => hang(`run ${n}`)) : [{ ...hang('one'), script: 'true' }] } })
  await grindQueue(workshop, { endLeftovers: async () => {}, stop: new AbortController().signal })
  const reason = 'it took longer than the 0.01 minutes that an untrusted build may work in all (UNTRUSTED_TIMEOUT in environment.sh)'
  expect(result('app/1')).toMatchObject({ verdict: 'cancelled', reason })
  expect(result('app/1').runs.filter(({ started }) => started !== undefined)).toHaveLength(2)
  expect(result('app/2').verdict).toBe('passed')
  expect(list('queue')).toEqual(['bad', 'claimed', 'low', 'tmp'])
})

test('an untrusted build whose settling takes too long is ended, too', async () => {
  const { home, drop, result } = aHome()
  drop(untrusted)
  const workshop = openWorkshop(await loadConfig(home, configSchema), 1)
  workshop.untrusted = { time: 0.002, output: 1 }
  workshop.settle = (_, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  await grindQueue(workshop, { endLeftovers: async () => {}, stop: new AbortController().signal })
  expect(result('app/1')).toMatchObject({ verdict: 'cancelled', reason: expect.stringContaining('UNTRUSTED_TIMEOUT') })
})

test.skipIf(!sandbox)('an untrusted pipeline that asks for more jobs than it may have fails, and one that prints too much in all is cut short', { tags: 'long' }, async () => {
  const { buildCommit, result } = aPipelineHome({ UNTRUSTED_RUNS: '3', UNTRUSTED_OUTPUT: '1', BLAME: 'never' })
  const pipeline = (count: number, script: string) => ({ '.quern/pipeline.ts': `import { pipeline } from 'quern'\nexport default pipeline((p) => { for (let n = 0; n < ${count}; n++) p.job('job ' + n, '${script}') })` })
  expect(result(await buildCommit(pipeline(4, 'true'), untrusted))).toMatchObject({ verdict: 'failed', reason: '.quern/pipeline.ts: the plan has 4 runs: expected at most 3 for an untrusted request (UNTRUSTED_RUNS in environment.sh)' })
  const loud = result(await buildCommit(pipeline(3, 'head -c 600000 /dev/zero'), untrusted))
  expect(loud).toMatchObject({ verdict: 'cancelled', reason: 'its output and artifacts are more than the 1 MiB that are kept of an untrusted build (UNTRUSTED_OUTPUT in environment.sh)' })
  expect(loud.runs.map(({ verdict }) => verdict)).toEqual(['passed', 'passed', 'cancelled'])
  expect(result(await buildCommit(pipeline(4, 'head -c 600000 /dev/zero'))).verdict).toBe('passed')
})
