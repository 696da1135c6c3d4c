import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Plan } from '../../src/model/plan.ts'
import { parseRequest, type Request } from '../../src/model/request.ts'
import { choosePipeline, settlePlan, type PlanSettings } from '../../src/plan/choose.ts'
import { noGrants } from '../../src/plan/grants.ts'
import { hostTags } from '../../src/plan/host-tags.ts'
import type { Planned } from '../../src/plan/planned.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const pushed = { repository: 'mill', full_name: 'mills/mill', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: 'Ada', committer_email: 'ada@example.org' }
const untrusted: Partial<Request> = { source: 'github', trusted: false }

function request(changes: Partial<Request> = {}): Request {
  return parseRequest({ ...pushed, ...changes })
}

const settings: PlanSettings = {
  directories: [],
  distributeRefs: [],
  definitions: 'test/fixtures/job-defs',
  hostTags: ['amd64'],
  grants: noGrants,
  timeout: 60,
  untrustedRuns: 500,
  clone: { CLONE_BASE: 'https://example.org/mills', CLONE_WITH: '' },
}

function settle(job: string, changes: Partial<Request> = {}, more: Partial<PlanSettings> = {}): Promise<Planned> {
  const asked = request({ pipeline: `job:${job}`, ...changes })
  return settlePlan(asked, choosePipeline(asked), { ...settings, ...more })
}

async function planned(job: string, changes: Partial<Request> = {}, more: Partial<PlanSettings> = {}): Promise<Plan> {
  const plan = await settle(job, changes, more)
  if ('ignored' in plan) throw new Error(`ignored: ${plan.ignored}`)
  return plan
}

/** Settings with these definitions. */
function having(files: Record<string, string>): { definitions: string } {
  const definitions = tempDir()
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(definitions, name)), { recursive: true })
    writeFileSync(join(definitions, `${name}.yml`), text)
  }
  return { definitions }
}

/** A plan of one job named `job` with this definition. */
function one(text: string, changes: Partial<Request> = {}, more: Partial<PlanSettings> = {}): Promise<Plan> {
  return planned('job', changes, { ...having({ job: text }), ...more })
}

const names = (plan: Plan) => plan.runs.map((run) => run.name)

describe('without chosen runs', () => {
  test('there is one run a container, with the default parameters', async () => {
    const plan = await planned('example')
    expect(plan).toMatchObject({ pipeline: 'job:example', why: 'the request names this pipeline', notify: ['watcher@example.org'] })
    expect(plan.runs).toMatchObject([
      { name: 'ubuntu', job: 'example', executor: 'container', image: 'ubuntu', params: { git_branch: 'master', foobar: '' }, timeout: 5, secrets: ['SERVICE_FOO_TOKEN'], needs: [], network: true },
      { name: 'registry.example.org/debian:12', image: 'registry.example.org/debian:12' },
    ])
    expect(plan.runs[0]!.env).toMatchObject({ git_branch: 'master', foobar: '', REPOSITORY: 'mill', CI: 'true' })
  })

  test('a job without containers is one run in the sandbox', async () => {
    const { runs } = await one('script: ls\n')
    expect(runs).toMatchObject([{ name: 'job', executor: 'sandbox', timeout: 60, workspace: 'commit' }])
    expect(runs[0]).not.toHaveProperty('image')
  })

  test('containers of a job in the shell name its runs only', async () => {
    const { runs } = await one('executor: shell\ncontainers: [{image: fast}, {image: slow}]\nscript: ls\n')
    expect(runs).toMatchObject([{ name: 'fast', executor: 'shell' }, { name: 'slow', executor: 'shell' }])
    expect(runs[0]).not.toHaveProperty('image')
  })
})

describe('chosen runs', () => {
  test('are a matrix of containers and parameters', async () => {
    const plan = await planned('example', {
      runs: [
        { name: 'amd64 master', container: 'ubuntu', params: { git_branch: 'master' } },
        { name: 'amd64 v2', container: 'ubuntu', params: { git_branch: 'v2', foobar: 'any text, with "quotes"' } },
      ],
    })
    expect(plan.runs).toMatchObject([
      { name: 'amd64 master', image: 'ubuntu', env: { git_branch: 'master', foobar: '' } },
      { name: 'amd64 v2', image: 'ubuntu', env: { git_branch: 'v2', foobar: 'any text, with "quotes"' } },
    ])
  })

  test('without names are named by what tells them apart', async () => {
    const runs: Request['runs'] = [{ container: 'ubuntu', params: {} }, { container: 'ubuntu', params: { git_branch: 'v2' } }]
    expect(names(await planned('example', { runs }))).toEqual(['ubuntu git_branch=master', 'ubuntu git_branch=v2'])
  })

  test.each([
    [{ name: 'x', container: 'alpine', params: {} }, 'the run "x" of the job example: unknown container "alpine", expected one of ubuntu, registry.example.org/debian:12'],
    [{ params: {} }, 'a run of the job example: expected a container, one of ubuntu, registry.example.org/debian:12'],
    [{ container: 'ubuntu', params: { git_brunch: 'v2' } }, 'unknown parameter "git_brunch", expected one of git_branch, foobar'],
    [{ name: '', container: 'ubuntu', params: {} }, 'expected a name of 1 to 300 characters on one line'],
    [{ name: 'a\nb', container: 'ubuntu', params: {} }, 'expected a name of 1 to 300 characters on one line'],
    [{ name: 'x'.repeat(301), container: 'ubuntu', params: {} }, 'expected a name of 1 to 300 characters on one line'],
    [{ container: 'ubuntu', params: { foobar: 'a\0b' } }, 'parameter "foobar": expected text of at most 30000 characters, without NUL'],
    [{ container: 'ubuntu', params: { foobar: 'x'.repeat(30_001) } }, 'expected text of at most 30000 characters'],
    [{ container: 'ubuntu', params: { git_branch: 'v3' } }, 'unknown choice "v3" of the parameter "git_branch", expected one of master, v2'],
    [{ container: 'a', params: { b: 'c' } }, /unknown container "a".*; unknown parameter "b"/],
  ])('%.80j is refused', (run, message) => expect(planned('example', { runs: [run] })).rejects.toThrow(message))

  test('of one name are refused', () =>
    expect(planned('example', { runs: [{ name: 'x', container: 'ubuntu', params: {} }, { name: 'x', container: 'ubuntu', params: {} }] })).rejects.toThrow('two runs are named "x"'))

  test('are at most 2,000, and of an untrusted request as many as this server says', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `run ${index}`, params: { x: String(index) } }))
    expect((await one('params: [{name: x}]\nscript: ls\n', { runs: many(2000) })).runs).toHaveLength(2000)
    await expect(one('params: [{name: x}]\nscript: ls\n', { runs: many(10_000) })).rejects.toThrow('the plan has 10000 runs: expected at most 2000')
    await expect(one('params: [{name: x}]\nscript: ls\n', { ...untrusted, runs: many(501) })).rejects.toThrow('the plan has 501 runs: expected at most 500 for an untrusted request (UNTRUSTED_RUNS in environment.sh)')
  })
})

describe('needs', () => {
  test('bring the needed jobs into the same build, in order, each in the tree of the one before', async () => {
    const plan = await planned('x86/fate')
    expect(plan.runs).toMatchObject([
      { name: 'configure', needs: [], workspace: 'commit' },
      { name: 'make', needs: ['configure'], workspace: { from: 'configure' } },
      { name: 'fate', needs: ['make'], workspace: { from: 'make' }, timeout: 90, artifacts: ['tests/data/fate/*.err'] },
    ])
    expect(plan.notify).toEqual(['fate@example.org'])
  })

  test('have the same parameters, and what is equal runs once', async () => {
    const runs: Request['runs'] = [{ params: { cc: 'gcc' } }, { params: { cc: 'clang' } }, { params: { cc: 'clang', threads: '2' } }]
    const plan = await planned('x86/fate', { runs })
    expect(plan.runs.map(({ name, needs }) => [name, needs])).toEqual([
      ['configure cc=gcc', []],
      ['make cc=gcc', ['configure cc=gcc']],
      ['fate cc=gcc threads=3.10', ['make cc=gcc']],
      ['configure cc=clang', []],
      ['make cc=clang', ['configure cc=clang']],
      ['fate cc=clang threads=3.10', ['make cc=clang']],
      ['fate cc=clang threads=2', ['make cc=clang']],
    ])
  })

  test('keep the folders of jobs that would have one name', async () => {
    const files = having({ 'a/build': 'script: ls\n', 'b/build': 'needs: [a/build]\nscript: ls\n' })
    expect(names(await planned('b/build', {}, files))).toEqual(['a/build', 'b/build'])
  })

  test('run in the same container, or in all of them where the needing job has another', async () => {
    const files = having({
      test: 'containers: [{image: a}, {image: b}]\nscript: ls\n',
      same: 'needs: [test]\nworkspace: test\ncontainers: [{image: b}]\nscript: ls\n',
      all: 'needs: [test]\nscript: ls\n',
      tree: 'needs: [test]\nworkspace: test\nscript: ls\n',
    })
    expect((await planned('same', {}, files)).runs.map(({ name, image, needs }) => ({ name, image, needs }))).toEqual([
      { name: 'test', image: 'b', needs: [] },
      { name: 'same', image: 'b', needs: ['test'] },
    ])
    expect((await planned('all', {}, files)).runs.at(-1)!.needs).toEqual(['test a', 'test b'])
    await expect(planned('tree', {}, files)).rejects.toThrow('the job tree works in the tree of test, which runs in several containers (a, b)')
  })

  test.each<[string, Record<string, string>, string | RegExp]>([
    ['a circle', { job: 'needs: [b]\nscript: ls\n', b: 'needs: [c]\nscript: ls\n', c: 'needs: [b]\nscript: ls\n' }, 'in a circle: b needs c needs b'],
    ['itself', { job: 'needs: [job]\nscript: ls\n' }, 'in a circle: job needs job'],
    ['what is not there', { job: 'needs: [b]\nscript: ls\n' }, /the job job needs b: no job b: expected a file .*b\.yml/],
    ['a value that the needed job cannot have', { job: 'needs: [b]\nparams: [{name: x, choices: [1]}]\nscript: ls\n', b: 'params: [{name: x, choices: [2]}]\nscript: ls\n' }, 'needs b, whose parameter "x" cannot be "1": expected one of 2'],
    ['a job outside of the definitions', { job: 'needs: [../../etc]\nscript: ls\n' }, /no job \.\.\/\.\.\/etc/],
    ['a job with a mistake', { job: 'needs: [b]\nscript: ls\n', b: 'scrpt: ls\n' }, /b\.yml:1: scrpt: unknown key/],
  ])('of %s are refused', (_, files, message) => expect(planned('job', {}, having(files))).rejects.toThrow(message))
})

describe('the script', () => {
  const run = async (script: string) => {
    const plan = await one(`script: ${JSON.stringify(script)}\n`)
    return spawnSync('bash', ['-c', plan.runs[0]!.script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH } })
  }

  test('stops at the first command that fails', async () => expect(await run('false\necho on\n')).toMatchObject({ status: 1, stdout: '' }))
  test('goes on where its own #! line says nothing else', async () => expect(await run('#!/bin/bash\nfalse\necho on\n')).toMatchObject({ status: 0, stdout: 'on\n' }))
  test('has the options of its #! line', async () => {
    expect(await run('#!/bin/bash -e\nfalse\necho on\n')).toMatchObject({ status: 1, stdout: '' })
    expect(await run('#!/usr/bin/env bash -eu\necho $nothing\n')).toMatchObject({ status: 1, stdout: '' })
  })
})

describe('the workspace', () => {
  const start: Partial<Request> = { source: 'command', trusted: true, ref: 'refs/jobs/job', commit_id: 'b'.repeat(64) }

  test('of a job started for itself is an empty directory, and no repository is told', async () => {
    const { runs } = await one('script: ls\n', start, { clone: { CLONE_BASE: '', CLONE_WITH: '' } })
    expect(runs[0]).toMatchObject({ workspace: 'none', env: { CI: 'true', QUERN: 'true' } })
    expect(runs[0]!.env).not.toHaveProperty('REPOSITORY')
  })

  test('is refused where the job works on a commit and the start names none', () => expect(one('workspace: commit\nscript: ls\n', start)).rejects.toThrow(/give it --repository, --ref and --commit/))
  test('is empty where the job wants it so', async () => expect((await one('workspace: none\nscript: ls\n')).runs[0]!.workspace).toBe('none'))
  test('is the commit for a forge that delivers such a ref', async () => expect((await one('script: ls\n', { ...start, source: 'github' })).runs[0]!.workspace).toBe('commit'))
})

describe('untrusted requests', () => {
  test('get no shell, no secrets and no network', async () => {
    const { runs } = await one('executor: shell\nsecrets: [TOKEN]\nscript: ls\n', untrusted)
    expect(runs[0]).toMatchObject({ executor: 'sandbox', secrets: [], network: false })
  })

  test('get the network where quern.yaml grants it and the job wants it', async () => {
    const grants = { ...noGrants, untrusted_network: ['mills/*'] }
    expect((await one('script: ls\n', untrusted, { grants })).runs[0]!.network).toBe(true)
    expect((await one('network: false\nscript: ls\n', untrusted, { grants })).runs[0]!.network).toBe(false)
    expect((await one('script: ls\n', { ...untrusted, full_name: 'others/mill' }, { grants })).runs[0]!.network).toBe(false)
  })

  test('see mounts read-only', async () => {
    const grants = { ...noGrants, mounts: [{ from: '/srv/cache', jobs: ['**'], writable: true }] }
    const text = 'mounts: [{from: /srv/cache, to: /cache, readonly: false}]\nscript: ls\n'
    expect((await one(text, {}, { grants })).runs[0]!.mounts).toEqual([{ from: '/srv/cache', to: '/cache', readonly: false }])
    expect((await one(text, untrusted, { grants })).runs[0]!.mounts).toEqual([{ from: '/srv/cache', to: '/cache', readonly: true }])
  })

  test.each([
    ['deploy: true\nscript: ls\n', 'untrusted: the job job deploys'],
    ['engine: true\nscript: ls\n', 'untrusted: the job job drives the container engine'],
  ])('never get %j', async (text, ignored) => expect(await settle('job', untrusted, { ...having({ job: text }), grants: { ...noGrants, engine: ['**'] } })).toEqual({ ignored }))

  test('never get a job that needs one that deploys', async () =>
    expect(await settle('job', untrusted, having({ job: 'needs: [b]\nscript: ls\n', b: 'deploy: true\nscript: ls\n' }))).toEqual({ ignored: 'untrusted: the job b deploys' }))
})

describe('what quern.yaml does not grant is refused', () => {
  const mount = 'mounts: [{from: /srv/data}]\nscript: ls\n'

  test.each<[string, PlanSettings['grants'], RegExp]>([
    [mount, noGrants, /asks for the directory \/srv\/data, which quern\.yaml does not grant it: add it under grants: mounts:/],
    [mount, { ...noGrants, mounts: [{ from: '/srv/data', jobs: ['other'], writable: false }] }, /does not grant/],
    [mount, { ...noGrants, mounts: [{ from: '/srv', jobs: ['**'], writable: false }] }, /does not grant/],
    ['mounts: [{from: /srv/data, readonly: false}]\nscript: ls\n', { ...noGrants, mounts: [{ from: '/srv/data', jobs: ['job'], writable: false }] }, /grants for reading only/],
    ['engine: true\nscript: ls\n', { ...noGrants, engine: ['images/*'] }, /add its name under grants: engine:/],
  ])('%j', (text, grants, message) => expect(one(text, {}, { grants })).rejects.toThrow(message))

  test('what it grants is there', async () => {
    const grants = { ...noGrants, mounts: [{ from: '/srv/data', jobs: ['j*'], writable: false }], engine: ['job'] }
    expect((await one('mounts: [{from: /srv/data}]\nengine: true\nscript: ls\n', {}, { grants })).runs[0]).toMatchObject({ mounts: [{ from: '/srv/data', to: '/srv/data', readonly: true }], engine: true, executor: 'sandbox' })
    expect((await one('engine: true\nscript: ls\n', {}, { grants })).runs[0]).toMatchObject({ engine: true, executor: 'shell' })
  })
})

test('a host tag that no host has is refused with the tags that there are', async () => {
  const text = 'containers: [{image: ubuntu, host_tag: s390x}]\nscript: ls\n'
  await expect(one(text)).rejects.toThrow('no host has the tag "s390x" that the container ubuntu of the job job asks for; this one has amd64.')
  expect((await one(text, {}, { hostTags: ['s390x'] })).runs).toHaveLength(1)
  expect(hostTags(['gpu', 'gpu'])).toEqual([...new Set(hostTags([])), 'gpu'])
  if (process.arch === 'x64') expect(hostTags([])).toEqual(['amd64', 'x86_64'])
})

describe('filters', () => {
  const github: Partial<Request> = { source: 'github', trusted: true }
  const filtered = (text: string, changes: Partial<Request>, changedFiles?: string[]) => settle('job', changes, { ...having({ job: `${text}\nscript: ls\n` }), changedFiles })

  test('refs name branches or whole refs', async () => {
    const text = 'refs: [main, "release/*", "refs/tags/v*"]'
    for (const ref of ['refs/heads/main', 'refs/heads/release/1', 'refs/tags/v1']) expect(await filtered(text, { ...github, ref })).toHaveProperty('runs')
    for (const ref of ['refs/heads/dev', 'refs/heads/release/1/2', 'refs/heads/feature/main']) expect(await filtered(text, { ...github, ref })).toEqual({ ignored: expect.stringContaining(`ref ${ref} is not among the refs of the job job`) })
  })

  test('a pull request is filtered by the branch that it goes into', async () => {
    const proposed = (base: string): Partial<Request> => ({ ...untrusted, ref: 'refs/pull/7/head', pull_request: { number: 7, base_ref: base } })
    expect(await filtered('refs: [main]', proposed('refs/heads/main'))).toHaveProperty('runs')
    expect(await filtered('refs: [main, "**/head"]', proposed('refs/heads/dev'))).toEqual({ ignored: expect.stringContaining('ref refs/heads/dev is not among') })
  })

  test('paths need one changed file among them', async () => {
    const text = 'paths: ["src/**", "*.c"]'
    expect(await filtered(text, github, ['README', 'src/a/.b'])).toHaveProperty('runs')
    expect(await filtered(text, github, ['README', 'lib/x.c'])).toEqual({ ignored: 'no changed file is among the paths of the job job (src/**, *.c)' })
    expect(await filtered(text, github), 'unknown files leave nothing out').toHaveProperty('runs')
  })

  test('who starts a job by name gets it', async () => expect(await filtered('refs: [main]', { source: 'command', trusted: true, ref: 'refs/heads/dev' })).toHaveProperty('runs'))
})

test('services are runs of their own that the runs of their job need', async () => {
  const { runs } = await one('containers: [{image: a}, {image: b}]\nservices: [{name: db, image: "postgres:16", script: exec postgres, env: {MODE: 1}}]\nscript: ls\n')
  expect(runs).toMatchObject([
    { name: 'db', service: true, executor: 'container', image: 'postgres:16', workspace: 'none', env: { MODE: '1' }, needs: [] },
    { name: 'a', needs: ['db'] },
    { name: 'b', needs: ['db'] },
  ])
})

test('a concurrency group is told apart by the variables of its run', async () => {
  const text = 'concurrency: distribute ${BRANCH} $x$none\nparams: [{name: x, choices: [y]}]\nsupersede: true\nscript: ls\n'
  const plan = await one(text, { ref: 'refs/heads/$(id)' })
  expect(plan.runs[0]!.group).toBe('distribute $(id) y')
  expect(plan.supersede).toBe(true)
})

describe('the pipeline', () => {
  test('is the one that the request names, then the one of quern.yaml, then chunks', () => {
    expect(choosePipeline(request({ pipeline: 'job:a' }), 'job:b')).toEqual({ pipeline: 'job:a', why: 'the request names this pipeline', directory: 'a' })
    expect(choosePipeline(request({ hook: 'docs' }), 'job:b')).toEqual({ pipeline: 'job:b', why: 'quern.yaml names this pipeline for the hook docs', directory: 'b' })
    expect(choosePipeline(request({ hook: 'docs', pipeline: 'job:b' }), 'job:b').why).toBe('quern.yaml names this pipeline for the hook docs')
    expect(choosePipeline(request())).toEqual({ pipeline: 'chunks', why: 'script chunks are the pipeline where nothing else is named; the home has some of its own in scripts/, so that no commit is looked into for a .quern/pipeline.ts', directory: 'mills~mill' })
  })

  test('keeps its records in a directory of safe name', () => {
    for (const job of ['x86/fate', '../../etc', 'x'.repeat(300), 'y/'.repeat(150), 'a b\nc', '.']) expect(choosePipeline(request({ pipeline: `job:${job}` })).directory).toMatch(/^[\w.~-]{1,150}$/)
    expect(choosePipeline(request({ pipeline: 'job:x86/fate' })).directory).toBe('x86~fate')
    expect(choosePipeline(request({ pipeline: 'job:x86~fate' })).directory).not.toBe('x86~fate')
    expect(choosePipeline(request({ pipeline: 'job:x86/fate' })).directory).not.toBe(choosePipeline(request({ pipeline: 'job:x86-fate' })).directory)
  })

  test.each(['job', 'jobs:a', '', 'chunk', 'files:a.ts'])('"%s" is refused, saying what there is', (pipeline) => expect(settlePlan(request(), { pipeline, why: '', directory: '' }, settings)).rejects.toThrow(/expected "chunks", "job:<name>" or "file:<path>"/))
  test('of a job that is not there names the file', () => expect(planned('missing')).rejects.toThrow(/no job missing: expected a file .*missing\.yml; "quern lint --json" lists the jobs/))
})
