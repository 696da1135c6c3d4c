import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { reusableRuns, withoutRequestValues } from '../../src/build/blame/reusable.ts'
import { verdictKeys } from '../../src/build/blame/verdict-key.ts'
import type { Attempt } from '../../src/build/attempt.ts'
import { openVerdicts } from '../../src/build/blame/verdicts.ts'
import { openReuse } from '../../src/build/execute/reuse.ts'
import type { Settled } from '../../src/build/workshop.ts'
import { hostToolchain } from '../../src/executor/toolchain.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import { openRecords, type Records } from '../../src/record/open-records.ts'
import { aBlameHome } from '../helpers/a-blame-home.ts'
import { aRequest } from '../helpers/a-request.ts'
import { failedRun, plannedRun } from '../helpers/failed-build.ts'
import { writeHistory } from '../helpers/history.ts'
import { isInstalled } from '../helpers/is-installed.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const sandbox = isInstalled('bwrap', 'apt-get install bubblewrap')

/** A run that is reusable by itself. */
const closed = (name: string, change: Partial<PlannedRun> = {}) => plannedRun(name, { executor: 'sandbox', workspace: 'commit', network: false, env: { CI: 'true', COMMIT_ID: 'a'.repeat(40), REF: 'refs/heads/main' }, ...change })
const planOf = (...runs: PlannedRun[]) => ({ pipeline: 'job:x', why: '', runs, notify: [] })

describe('a run is reusable', () => {
  test.each<[string, Partial<PlannedRun>, boolean]>([
    ['in a sandbox without network', {}, true],
    ['in a container without network', { executor: 'container', image: 'debian' }, true],
    ['with the network', { network: true }, false],
    ['in the shell, which isolates nothing', { executor: 'shell' }, false],
    ['with secrets', { secrets: ['TOKEN'] }, false],
    ['that deploys', { deploy: true }, false],
    ['that deploys, even where its job says so', { deploy: true, reuse: true }, false],
    ['whose script names a value of the request', { script: 'echo "$COMMIT_ID"' }, false],
    ['whose script names what only looks like one', { script: 'echo "$MY_REF_COUNT"' }, true],
    ['whose environment names one', { env: { OUT: '$BRANCH' } }, false],
    ['that may drive an engine', { engine: true }, false],
    ['that shares a directory with others', { script: 'cp x "$QUERN_SHARED"' }, false],
    ['that sees a directory of the host', { mounts: [{ from: '/srv', to: '/srv', readonly: true }] }, false],
    ['without the commit’s tree', { workspace: 'none' }, false],
    ['that is a service, which others may need, even where its job says so', { service: true, reuse: true }, false],
    ['whose job says so', { network: true, reuse: true }, true],
    ['whose job says that it is not', { reuse: false }, false],
  ])('%s', (_, change, expected) => {
    expect(reusableRuns(planOf(closed('x', change))).has('x')).toBe(expected)
  })

  test('only with all that it needs', () => {
    expect([...reusableRuns(planOf(closed('make', { network: true }), closed('test', { needs: ['make'] }), closed('lint')))]).toEqual(['lint'])
  })

  test('and is then told nothing of the request, unless its job says that it is reusable', () => {
    const { runs } = withoutRequestValues(planOf(closed('x'), closed('y', { reuse: true }), closed('z', { network: true })))
    expect(runs.map(({ env, closed: isClosed }) => [env['COMMIT_ID'] !== undefined, isClosed === true])).toEqual([[false, true], [true, false], [true, false]])
  })
})

describe('the key of a verdict', () => {
  const circumstances = { tree: 't', trusted: true, world: { PATH: '/bin' }, limits: { grace: 1 }, toolchain: async () => 'tools' }
  const keyOf = async (run: PlannedRun, change: Partial<Parameters<typeof verdictKeys>[1]> = {}) => (await verdictKeys(planOf(run), { ...circumstances, ...change })).get(run.name)

  test('is the same for another commit of the same tree, another name and another order of keys', async () => {
    const other = closed('renamed', { env: { REF: 'refs/heads/next', COMMIT_ID: 'b'.repeat(40), CI: 'true' } })
    expect(await keyOf(other)).toBe(await keyOf(closed('x')))
  })

  test.each<[string, Partial<PlannedRun>, Partial<Parameters<typeof verdictKeys>[1]>]>([
    ['tree', {}, { tree: 'u' }],
    ['lane', {}, { trusted: false }],
    ['toolchain', {}, { toolchain: async () => 'others' }],
    ['world', {}, { world: { PATH: '/usr/bin' } }],
    ['script', { script: 'false' }, {}],
    ['parameters', { params: { A: '1' } }, {}],
    ['environment', { env: { A: '1' } }, {}],
    ['limits', { memory: 64 }, {}],
    ['time limit', { timeout: 1 }, {}],
    ['executor', { executor: 'container', image: 'debian' }, {}],
  ])('differs with the %s', async (_, run, change) => {
    expect(await keyOf(closed('x', run), change)).not.toBe(await keyOf(closed('x')))
  })

  test('differs with what it needs, and is missing where the toolchain is not known', async () => {
    const keys = async (script: string) => verdictKeys(planOf(closed('make', { script }), closed('test', { needs: ['make'] })), circumstances)
    expect((await keys('a')).get('test')).not.toBe((await keys('b')).get('test'))
    expect(await keyOf(closed('x'), { toolchain: async () => undefined })).toBeUndefined()
  })
})

test('the key of a verdict knows the toolchain of its own image', async () => {
  const plan = planOf(...['one', 'two'].map((image) => closed(image, { executor: 'container', image })))
  const keys = async (digest: string) => verdictKeys(plan, { tree: 't', trusted: true, world: {}, limits: { grace: 1 }, toolchain: async ({ image }) => (image === 'two' ? digest : 'same') })
  const [before, after] = [await keys('a'), await keys('b')]
  expect([after.get('one') === before.get('one'), after.get('two') === before.get('two')]).toEqual([true, false])
})

test('a verdict of a home that was made anew is not that of the build which has its number now', () => {
  const home = tempDir()
  const verdict = { verdict: 'passed', build: 'job/1', entry: 'then', run: 'x' } as const
  openVerdicts(home, recordsWith(home, 'then')).keep('key', verdict)
  mkdirSync(join(home, 'builds/job/1'), { recursive: true })
  expect(openVerdicts(home, recordsWith(home, 'then')).find('key', 'request')).toEqual(verdict)
  expect(openVerdicts(home, recordsWith(home, 'now')).find('key', 'request')).toBeUndefined()
})

test('neither what was flaky nor what failed when its build was stopped is stored as red', async () => {
  const kept: string[] = []
  const stop = new AbortController()
  const verdicts = { find: () => undefined, keep: (_: string, { verdict }: { verdict: string }) => kept.push(verdict) }
  const workshop = { verdicts, world: {}, limits: { grace: 1 }, toolchain: async () => 'tools' }
  const claim = { entry: 'e', build: { pipeline: 'x', number: 1 } }
  const settled = { plan: planOf(closed('x')), request: aRequest(), origin: { tree: 't', history: async () => undefined } }
  const reuse = await openReuse({ workshop, claim, stop: { signal: stop.signal } } as unknown as Attempt, settled as unknown as Settled)
  await reuse.keep(closed('x'), failedRun('x', { blame: { class: 'flaky', reason: 'it passed then' } }))
  expect(kept).toEqual([])
  await reuse.keep(closed('x'), failedRun('x'))
  expect(kept).toEqual(['failed'])
  stop.abort()
  await reuse.keep(closed('x'), failedRun('x'))
  await reuse.keep(closed('x'), failedRun('x', { verdict: 'passed' }))
  expect(kept).toEqual(['failed', 'passed'])
})

test('the toolchain of this host changes with a compiler on the PATH', () => {
  const path = tempDir()
  writeFileSync(join(path, 'cc'), '')
  const before = hostToolchain(path)
  expect(hostToolchain(path)).toBe(before)
  utimesSync(join(path, 'cc'), 1, 1)
  expect(hostToolchain(path)).not.toBe(before)
})

describe.skipIf(!sandbox)('the same tree, asked for again,', () => {
  function twice(job: string, change: { second?: object } = {}) {
    const { path, ids } = writeHistory([{ files: { state: 'good' }, parents: [], person: 'a@example.org' }, { files: {}, parents: [1], person: 'b@example.org' }], { main: 2 })
    const home = aBlameHome(path)
    writeFileSync(join(home.home, 'job-defs/tree.yml'), job)
    return { ...home, ids, async both() {
      const first = home.push('tree', ids[0]!)
      await home.grind()
      const second = home.push('tree', ids[1]!, { ...change.second })
      await home.grind()
      return [home.resultOf(first), home.resultOf(second)] as const
    } }
  }

  const job = 'network: false\nartifacts: [out]\nscript: |\n  env | grep -c "^B[RU]" || true\n  cat state > out\n'

  test('is not tested again: the record names the build, and has its artifacts', async () => {
    const { home, both, console: log } = twice(job)
    const [first, second] = await both()
    expect(first).toMatchObject({ verdict: 'passed' })
    expect(first.runs[0]!.reused).toBeUndefined()
    expect(log('tree/1', 'tree')).toContain('0\n')
    expect(second).toMatchObject({ verdict: 'passed', runs: [{ name: 'tree', verdict: 'passed', reused: 'tree/1' }] })
    expect(readFileSync(join(home, 'builds/tree/2/runs/tree/artifacts/out'), 'utf8')).toBe('good')
    expect(readFileSync(join(home, 'builds/tree/2/summary.log'), 'utf8')).toContain('taken from tree/1')
  })

  test('is not tested again where its build waited for the slot in which the first was tested', async () => {
    const { ids, push, grind, resultOf } = twice(`${job}  sleep 0.5\n`)
    const [, second] = [push('tree', ids[0]!), push('tree', ids[1]!)]
    await grind(1)
    expect(resultOf(second)).toMatchObject({ verdict: 'passed', runs: [{ name: 'tree', verdict: 'passed', reused: 'tree/1' }] })
  })

  test('is tested where the record of the first is gone', async () => {
    const { home, ids, push, grind, resultOf } = twice(job)
    push('tree', ids[0]!)
    await grind()
    rmSync(join(home, 'builds/tree/1'), { recursive: true })
    const second = push('tree', ids[1]!)
    await grind()
    expect(resultOf(second).runs[0]!.reused).toBeUndefined()
  })

  test.each([
    ['by somebody untrusted', job, { source: 'github', trusted: false }],
    ['with "fresh"', job, { fresh: true }],
    ['of a job that says "reuse: false"', `reuse: false\n${job}`, {}],
  ])('%s, is tested again', async (_, definition, second) => {
    const [, again] = await twice(definition, { second }).both()
    expect(again.verdict).toBe('passed')
    expect(again.runs[0]!.reused).toBeUndefined()
  })
})

test('a run is executed again where the outputs of its verdict were pruned while others ran before it', async () => {
  const { path, ids } = writeHistory([{ files: { state: 'good' }, parents: [], person: 'ada@example.org' }], { main: 1 })
  const home = aBlameHome(path)
  writeFileSync(join(home.home, 'job-defs/first.yml'), 'executor: shell\nreuse: false\nscript: if [ "$BUILD_NUMBER" = 2 ]; then rm -r "$QUERN_TEST_MARKS/../builds/pack/1"; fi\n')
  writeFileSync(join(home.home, 'job-defs/pack.yml'), 'executor: shell\nreuse: true\nneeds: [first]\nscript: echo packed > "$ARCHIVE_ROOT/pack.tar"\n')
  for (const number of [1, 2]) {
    home.push('pack', ids[0]!)
    await home.grind()
    expect(home.list(`builds/pack/${number}/runs/pack/artifacts`)).toEqual(['pack.tar'])
  }
  expect(home.list('builds/pack')).toEqual(['2'])
})

/** Records in which each build is that of an entry. */
function recordsWith(home: string, entry: string): Records {
  return { ...openRecords(home), result: () => ({ entry }) as ReturnType<Records['result']> }
}
