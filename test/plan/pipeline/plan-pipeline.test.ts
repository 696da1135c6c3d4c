import { expect, test } from 'vitest'
import type { Plan } from '../../../src/model/plan.ts'
import type { Request } from '../../../src/model/request.ts'
import { choosePipeline, settlePlan } from '../../../src/plan/choose.ts'
import { hasOwnChunks } from '../../../src/plan/find-chunks.ts'
import { noGrants } from '../../../src/plan/grants.ts'
import { defineJobs } from '../../../src/plan/pipeline/define-jobs.ts'
import { pipeline, type Pipeline, type PipelineContext, type PipelineOptions } from '../../../src/plan/pipeline/pipeline.ts'
import { planPipeline, type PipelinePlanSettings } from '../../../src/plan/pipeline/plan-pipeline.ts'
import { aRequest } from '../../helpers/a-request.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const untrusted: Partial<Request> = { source: 'github', trusted: false, full_name: 'mills/mill' }

test('stages run in order, jobs before, between and after them are stages too', async () => {
  const { runs } = await planOf((p) => {
    p.job('lint', 'x')
    p.job('types', 'x')
    p.stage('test', () => {
      p.job('unit', 'x')
      p.job('browser', 'x')
      p.job('report', 'x', { needs: ['unit'] })
    })
    p.job('publish', 'x', { needs: ['report', 'lint'] })
  })
  expect(Object.fromEntries(runs.map(({ name, needs }) => [name, needs]))).toEqual({
    lint: [],
    types: [],
    unit: ['lint', 'types'],
    browser: ['lint', 'types'],
    report: ['lint', 'types', 'unit'],
    publish: ['browser', 'report', 'lint'],
  })
})

test('the jobs of a stage need its services, which last as long as the jobs may and have no work tree', async () => {
  const { runs } = await planOf((p) => {
    p.stage('test', { timeout: 2 }, () => {
      p.job('unit', 'x')
      p.job('db', 'x', { service: true, ready: 'pg_isready' })
      p.job('slow', 'x', { timeout: 40 })
    })
    p.job('after', 'x', { timeout: 1 })
  })
  const [unit, db, slow, after] = runs
  expect([unit!.needs, db!.needs, slow!.needs, after!.needs]).toEqual([['db'], [], ['db'], ['unit', 'slow']])
  expect(db).toMatchObject({ service: true, ready: 'pg_isready', timeout: 43, workspace: 'none' })
})

test('a service that no job could reach is refused, with the remedy', async () => {
  const define = (service: boolean, job: boolean) => (p: PipelineContext) => [p.job('db', 'x', { service: true, network: service }), p.job('test', 'x', { network: job })]
  await expect(planOf(define(false, true))).rejects.toMatchObject({ name: 'PipelineError', message: expect.stringMatching(/^test\/plan\/.*:\d+: no job could reach the service "db": it has no network and the jobs that need it have one; say network: false/) })
  await expect(planOf(define(true, false))).rejects.toMatchObject({ name: 'PipelineError', message: expect.stringContaining('it has the network and the jobs that need it have none') })
  for (const one of [define(true, true), define(false, false)]) expect((await planOf(one)).runs).toHaveLength(2)
  expect((await planOf(define(false, true), { request: untrusted })).runs).toHaveLength(2)
  expect((await planOf((p) => [...define(false, true)(p), p.job('also', 'x', { network: false })])).runs).toHaveLength(3)
  expect((await planOf((p) => p.job('db', 'x', { service: true, network: false }))).runs).toHaveLength(1)
})

test('where a job runs follows from its image and executor', async () => {
  const { runs } = await planOf((p) => [p.job('a', 'x'), p.job('b', 'x', { image: 'node:22' }), p.job('c', 'x', { executor: 'shell', image: 'node:22' })])
  expect(runs.map(({ executor, image }) => [executor, image])).toEqual([['sandbox', undefined], ['container', 'node:22'], ['shell', undefined]])
})

test('an untrusted request sets scripts, needs, environment and artifacts, and this server the rest', async () => {
  const greedy: PipelineOptions = { supersede: true, notify: ['victim@example.org'], memory: '64g', cpus: 64, timeout: 1000, secrets: ['TOKEN'], reuse: true, group: 'all' } as PipelineOptions
  const plan = await planOf((p) => [p.job('a', 'make', { executor: 'shell', env: { A: 1 }, artifacts: ['*.log'] })], { options: greedy, request: untrusted })
  expect(plan).toMatchObject({ notify: [] })
  expect(plan.supersede).toBeUndefined()
  expect(plan.runs[0]).toMatchObject({ executor: 'sandbox', script: 'set -e\nmake', secrets: [], network: false, timeout: 60, artifacts: ['*.log'] })
  expect(plan.runs[0]!.env['A']).toBe('1')
  for (const key of ['memory', 'cpus', 'group', 'mounts', 'engine', 'reuse']) expect(plan.runs[0]).not.toHaveProperty(key)
})

test('an untrusted request may only say that a verdict is not to be taken again', async () => {
  const define = (p: PipelineContext) => [p.job('a', 'x', { reuse: false }), p.job('b', 'x', { reuse: true })]
  expect((await planOf(define)).runs.map(({ reuse }) => reuse)).toEqual([false, true])
  expect((await planOf(define, { request: untrusted })).runs.map(({ reuse }) => reuse)).toEqual([false, undefined])
})

test('a deploy of an untrusted request does not run', async () => {
  const define = (p: PipelineContext) => void p.job('publish', 'x', { deploy: true })
  expect((await planOf(define, { request: untrusted })).runs[0]).toMatchObject({ deploy: true, skip: expect.stringContaining('untrusted') })
  expect((await planOf(define)).runs[0]).not.toHaveProperty('skip')
})

test('an untrusted request runs in images that the server lists, and in no other', async () => {
  const define = (p: PipelineContext) => void p.job('a', 'x', { image: 'node:22' })
  await expect(planOf(define, { request: untrusted })).rejects.toThrow('the untrusted request asks for the image node:22, which quern.yaml does not list: add it under grants: untrusted_images:')
  const grants = { ...noGrants, untrusted_images: ['node:*'] }
  expect((await planOf(define, { request: untrusted, settings: { grants } })).runs[0]).toMatchObject({ executor: 'container', image: 'node:22' })
})

test('an untrusted request may ask for fewer jobs than a trusted one', async () => {
  const define = (p: PipelineContext) => p.matrix({ N: Array.from({ length: 21 }, (_, n) => n) }).forEach(({ N }) => p.job(`job ${N}`, 'x'))
  const settings = { untrustedRuns: 20 }
  expect((await planOf(define, { settings })).runs).toHaveLength(21)
  await expect(planOf(define, { request: untrusted, settings })).rejects.toMatchObject({ name: 'PipelineError', message: 'p.ts: the plan has 21 runs: expected at most 20 for an untrusted request (UNTRUSTED_RUNS in environment.sh)' })
})

test('a service lasts as long as all jobs may, and never longer than a timer can', async () => {
  const define = (count: number) => (p: PipelineContext) => {
    p.job('db', 'x', { service: true })
    for (let n = 0; n < count; n++) p.job(`job ${n}`, 'x')
  }
  expect((await planOf(define(3))).runs[0]!.timeout).toBe(180)
  const { timeout } = (await planOf(define(1900))).runs[0]!
  expect(timeout * 60_000).toBeLessThan(2 ** 31)
})

test('what an evaluation leaves is checked as the words of a stranger', async () => {
  for (const data of [undefined, 7, { jobs: 'many' }, { jobs: [{ name: 'a', script: 'x', stage: 0, mounts: [{ from: '/etc', to: '/x', readonly: false }] }] }, { jobs: [{ name: 'a', script: 'x', stage: 0, engine: true }] }])
    await expect(planPipeline(aRequest(), 'p.ts', { pipeline: 'file:p.ts', why: '', settings: settingsWith(async () => data) })).rejects.toMatchObject({ name: 'PipelineError', message: expect.stringContaining('p.ts: what its evaluation left is no list of jobs') })
  const twice = { jobs: [1, 2].map(() => ({ name: 'a', script: 'x', stage: 0 })) }
  await expect(planPipeline(aRequest(), 'p.ts', { pipeline: 'file:p.ts', why: '', settings: settingsWith(async () => twice) })).rejects.toMatchObject({ name: 'PipelineError', message: 'p.ts: two runs are named "a": give each its own name' })
})

test.each([
  ['jobs, each a stage of its own', { jobs: Array.from({ length: 300_000 }, (_, n) => ({ name: `j${n}`, script: 'x', stage: n })) }, 'jobs: expected at most 2,000'],
  ['needs that are none', { jobs: [{ name: 'a', script: 'x', stage: 0, needs: Array(300_000).fill(1) }] }, 'jobs.0.needs: expected at most 2,000'],
  ['variables that are none', { jobs: [{ name: 'a', script: 'x', stage: 0, env: Object.fromEntries(Array(1_500_000).fill(1).entries()) }] }, 'jobs.0.env'],
])('what an evaluation leaves by the hundred thousand does not hold the builder: %s', async (_, data, message) => {
  const settings = settingsWith(async () => data)
  await expect(planPipeline(aRequest(), 'p.ts', { pipeline: 'file:p.ts', why: '', settings })).rejects.toMatchObject({ name: 'PipelineError', message: expect.stringContaining(`p.ts: what its evaluation left is no list of jobs: ${message}`) })
})

const shared = { script: 'x', stage: 0 }
const from = (name: string) => ({ from: name })

test.each([
  ['without needing it', [{ name: 'a', ...shared }, { name: 'b', ...shared, workspace: from('a') }], 'the run "b" works in the tree of "a", which it does not need'],
  ['in a circle', [{ name: 'a', ...shared, workspace: from('b') }, { name: 'b', ...shared, workspace: from('a') }], 'the run "a" works in the tree of "b", which it does not need'],
  ['of a service', [{ name: 'a', ...shared, service: true, workspace: 'commit' }, { name: 'b', ...shared, needs: ['a'], workspace: from('a') }], 'a service, which is still at work there'],
  ['as a service', [{ name: 'a', ...shared }, { name: 'b', ...shared, stage: 1, service: true, needs: ['a'], workspace: from('a') }], 'would keep it from all others'],
])('a run that wants to be in another’s tree while that is at work there, %s, is refused', async (_, jobs, message) => {
  const settings = settingsWith(async () => ({ jobs }))
  await expect(planPipeline(aRequest(), 'p.ts', { pipeline: 'file:p.ts', why: '', settings })).rejects.toMatchObject({ name: 'PipelineError', message: expect.stringContaining(message) })
})

test('a run that would wait for the turn of a service, which ends only after it, is refused', async () => {
  const group = 'board'
  const refused = { name: 'PipelineError', message: expect.stringContaining('the service "db" has the turn of the group "board" until all jobs have ended, and "use" would wait for it') }
  await expect(planOf((p) => [p.job('db', 'x', { service: true, group }), p.job('use', 'x', { group })])).rejects.toMatchObject(refused)
  await expect(planOf((p) => [p.job('db', 'x', { service: true, group }), p.job('use', 'x', { service: true, group })])).rejects.toMatchObject(refused)
  // What has ended when the service starts does not wait for it.
  const before = (p: PipelineContext) => [p.job('flash', 'x', { group }), p.stage('test', {}, () => [p.job('db', 'x', { service: true, group }), p.job('use', 'x')])]
  expect((await planOf(before)).runs.map((run) => run.group)).toEqual([group, group, undefined])
})

test('a file that defines no job for a request leaves nothing to build', async () => {
  const planned = await planPipeline(aRequest(), 'p.ts', { pipeline: 'file:p.ts', why: '', settings: settingsWith(async () => ({ jobs: [] })) })
  expect(planned).toEqual({ ignored: 'p.ts has no job for this request' })
})

test.each(['file:../x.ts', 'file:/etc/x.ts', 'file:a/../../x.ts', 'file:.git/x.ts', 'file:x.sh', 'file:', 'file:a\nb.ts'])('%j names no file of a commit', async (name) => {
  const request = aRequest({ pipeline: name })
  await expect(settlePlan(request, choosePipeline(request), settingsWith(async () => ({ jobs: [] })) as never)).rejects.toThrow('expected "file:" and a path below the repository')
})

test('a commit is looked into only where nothing else is named and the home has no chunks of its own', () => {
  expect(choosePipeline(aRequest(), undefined, { ownChunks: false })).toMatchObject({ pipeline: 'chunks', unlessOwn: true })
  expect(choosePipeline(aRequest(), undefined, { ownChunks: true })).not.toHaveProperty('unlessOwn')
  expect(choosePipeline(aRequest(), 'chunks', { ownChunks: false })).not.toHaveProperty('unlessOwn')
})

test('shipped chunks are not a home’s own', () => {
  const home = tempDir()
  const [own, shipped] = [join(home, 'own'), join(home, 'shipped')]
  for (const path of [own, shipped]) mkdirSync(path)
  for (const name of ['checkout_repos', 'build_packages']) writeFileSync(join(shipped, name), 'true\n')
  expect([hasOwnChunks([own, shipped]), hasOwnChunks([shipped]), hasOwnChunks([join(home, 'none'), shipped])]).toEqual([false, false, false])
  writeFileSync(join(shipped, 'build_packages_main'), 'true\n')
  writeFileSync(join(own, 'build_packages'), 'true\n')
  expect([hasOwnChunks([own, shipped]), hasOwnChunks([shipped])]).toEqual([true, true])
})

interface Given {
  options?: PipelineOptions
  request?: Partial<Request>
  settings?: Partial<PipelinePlanSettings>
}

async function planOf(define: (p: PipelineContext) => unknown, { options = {}, request = {}, settings = {} }: Given = {}): Promise<Plan> {
  const made: Pipeline = pipeline(options, (p) => void define(p))
  const evaluate: PipelinePlanSettings['evaluate'] = async (_, repo) => JSON.parse(JSON.stringify(await defineJobs(made, repo, process.cwd()))) as unknown
  return (await planPipeline(aRequest(request), 'p.ts', { pipeline: 'file:p.ts', why: 'a test', settings: { ...settingsWith(evaluate), ...settings } })) as Plan
}

function settingsWith(evaluate: PipelinePlanSettings['evaluate']): PipelinePlanSettings {
  return { clone: { CLONE_BASE: 'https://localhost', CLONE_WITH: '' }, grants: noGrants, timeout: 60, untrustedRuns: 500, evaluate }
}
