/** @module-tag long */
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { aSeriesServer, seriesOf, stateJob } from '../helpers/a-series-server.ts'
import { isInstalled } from '../helpers/is-installed.ts'

const sandboxed = isInstalled('bwrap', 'apt-get install bubblewrap')
const fault = pathToFileURL(resolve('test/helpers/fault.mjs')).href

type Step = [call: string, path: string, at: number]

/** The steps from a failure of the whole to the check on the patch that broke it: a call, where, and which one of them. */
const whole: Step[] = [
  ['rename', 'builds/make/1/.blame.json', 1],
  ['rename', 'ledger/held', 1],
  ['rename', 'builds/make/1/.status.tmp', 1],
  ['rename', 'queue/tmp', 1],
  ['rename', 'queue/claimed', 1],
  ['rename', 'queue/claimed', 3],
  ['rename', 'builds/make/1/.blame.json', 3],
  ['rename', 'ledger/series', 1],
  ['rename', 'builds/make/1/.result.json', 2],
  ['link', 'builds/make/1/reports', 2],
  ['link', 'builds/make/1/reports', 3],
  ['rm', 'ledger/held', 1],
  ['link', 'ledger/series', 1],
]

/** Those of a build of which one check is told before the other. */
const each: Step[] = [
  ['rename', 'builds/make/1/reports', 3],
  ['link', 'builds/make/1/reports', 3],
  ['rename', 'builds/make/1/reports', 4],
  ['link', 'builds/make/1/reports', 4],
]

describe.skipIf(!sandboxed)('a builder that is killed', () => {
  test.each(whole)('at %s of %s (%i) leaves the search for a first bad patch to the next one: one set of checks, one reply', async (...step) => {
    const { told, taken } = await killedAt(step, { each_patch: false }, ['fine\n1\n', 'error: second\n', 'error: second\n3\n'])
    expect(told).toEqual([[], ['make fail: state.txt:1: error: second'], ['make pending: waits for its turn', 'make warning: fails since patch 2: state.txt:1: error: second']])
    expect(taken).toEqual(['Re: [PATCH 2/3] state: change 2'])
  })

  test.each(each)('at %s of %s (%i) leaves the checks that wait, and those that do not, to the next one: each is told once', async (...step) => {
    const { told, taken } = await killedAt(step, {}, ['error: first\n', 'fine\n2\n'])
    expect(told).toEqual([['make pending: waits for its turn', 'make fail: state.txt:1: error: first'], ['make pending: waits for its turn', 'make success: passed']])
    expect(taken).toEqual(['Re: [PATCH 1/2] state: change 1'])
  })
})

/** What is told of a series whose builder dies at a step, when another one has come. */
async function killedAt([call, place, at]: Step, source: Record<string, unknown>, states: string[]): Promise<{ told: string[][]; taken: string[] }> {
  const { repo, patches: mails } = seriesOf('fine\n', ...states)
  const server = await aSeriesServer({ tree: repo.path, jobs: { make: stateJob }, source, settings: { BLAME_RETRY: '0' } })
  const { patches } = server.fake.addSeries({ patches: mails })
  await server.poll()
  const killed = await server.build([], { NODE_OPTIONS: `--import ${fault}`, FAULT_CALL: call, FAULT_PATH: join(server.home, place), FAULT_AT: String(at), FAULT_ERROR: 'KILL' })
  expect(killed.code).not.toBe(0)
  await server.build()
  expect(['queue', 'queue/low', 'queue/claimed', 'ledger/held', 'outbox'].flatMap(server.list).filter((name) => !['low', 'tmp', 'claimed', 'bad', 'dead'].includes(name))).toEqual([])
  return { told: patches.map(server.told), taken: server.smtp.taken.map(({ email }) => email.subject ?? '') }
}
