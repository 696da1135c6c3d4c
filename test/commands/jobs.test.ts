import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { userInfo } from 'node:os'
import { describe, expect, test } from 'vitest'
import type { Request } from '../../src/model/request.ts'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'
import { gitRepo, gitTestEnvironment } from '../helpers/git-repo.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const example = readFileSync('test/fixtures/job-defs/example.yml', 'utf8')

function homeWith(files: Record<string, string>): string {
  const home = tempDir()
  mkdirSync(join(home, 'queue'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true })
    writeFileSync(join(home, name), text)
  }
  return home
}

async function queued(home: string): Promise<Request[]> {
  return (await openDirectoryQueue(home, { ledger: openLedger(join(home, 'ledger')) }).list()).map(({ request }) => request!)
}

describe('quern start', () => {
  test('queues the chosen matrix', async () => {
    const home = homeWith({ 'job-defs/example.yml': example })
    const words = ['start', 'example', '--run', 'name=amd64 master,container=ubuntu,params.git_branch=master', '--run', 'name=amd64 v2,container=ubuntu,params.git_branch=v2']
    expect(await runQuern(home, words)).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^Queued as \S+\.json; .*\n2 runs: amd64 master, amd64 v2\n$/) })
    expect(await queued(home)).toMatchObject([
      {
        repository: 'example',
        ref: 'refs/jobs/example',
        commit_id: expect.stringMatching(/^[0-9a-f]{64}$/),
        source: 'command',
        trusted: true,
        pipeline: 'job:example',
        committer_name: userInfo().username,
        committer_email: '',
        runs: [
          { name: 'amd64 master', container: 'ubuntu', params: { git_branch: 'master' } },
          { name: 'amd64 v2', container: 'ubuntu', params: { git_branch: 'v2' } },
        ],
      },
    ])
  })

  test('without --run leaves the runs to the definition', async () => {
    const home = homeWith({ 'job-defs/x86/fate.yml': 'containers: [{image: a}, {image: b}]\nscript: ls\n' })
    const { stdout } = await runQuern(home, ['start', 'x86/fate', '--json'])
    expect(JSON.parse(stdout)).toEqual({ entry: expect.any(String), runs: ['a', 'b'] })
    const [request] = await queued(home)
    expect(request).toMatchObject({ repository: 'fate', ref: 'refs/jobs/x86/fate' })
    expect(request).not.toHaveProperty('runs')
  })

  test('starts a job for a commit', async () => {
    const home = homeWith({ 'job-defs/job.yml': 'workspace: commit\nscript: ls\n', 'environment.sh': 'export CLONE_BASE="/srv/git"\n' })
    expect((await runQuern(home, ['start', 'job', '--repository', 'mills/mill', '--ref', 'refs/heads/main', '--commit', 'a'.repeat(40)])).stderr).toBe('')
    expect(await queued(home)).toMatchObject([{ repository: 'mill', full_name: 'mills/mill', ref: 'refs/heads/main', commit_id: 'a'.repeat(40) }])
  })

  test.each([
    [['missing'], /no job missing: expected a file .*job-defs\/missing\.yml/],
    [['../environment'], /no job \.\.\/environment/],
    [['example', '--run', 'container=alpine'], /unknown container "alpine", expected one of ubuntu, registry\.example\.org\/debian:12/],
    [['example', '--run', 'container=ubuntu,params.git_branch=v3'], /unknown choice "v3" of the parameter "git_branch", expected one of master, v2/],
    [['example', '--run', 'container=ubuntu,params.brunch=v2'], /unknown parameter "brunch", expected one of git_branch, foobar/],
    [['example', '--run', 'ubuntu'], /--run: expected name=…, container=… or params\.NAME=…/],
    [['example', '--ref', 'refs/heads/main'], /names all of --repository, --ref and --commit/],
    [['example', '--repository', 'mill', '--ref', 'refs/heads/main', '--commit', 'abc'], /commit_id: expected a full commit id/],
    [['elsewhere'], /no host has the tag "s390x"/],
    [['commit'], /give it --repository, --ref and --commit/],
    [['bad'], /bad\.yml:1: scrpt: unknown key/],
  ])('%j is refused and queues nothing', async (words, message) => {
    const home = homeWith({
      'job-defs/example.yml': example,
      'job-defs/elsewhere.yml': 'containers: [{image: a, host_tag: s390x}]\nscript: ls\n',
      'job-defs/commit.yml': 'workspace: commit\nscript: ls\n',
      'job-defs/bad.yml': 'scrpt: ls\n',
    })
    const { code, stderr } = await runQuern(home, ['start', ...words])
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^quern: /)
    expect(code).toBe(2)
    expect(await queued(home)).toEqual([])
  })

  test('a start is built, and each run has its parameters', async () => {
    const home = homeWith({ 'logs/.keep': '', 'job-defs/job.yml': 'executor: shell\nparams: [{name: who, choices: [world, mill]}]\nscript: echo "hello $who"\n' })
    await runQuern(home, ['start', 'job', '--run', 'name=one,params.who=mill', '--run', 'name=two'])
    expect(await runQuern(home, ['build'])).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(join(home, 'builds/job/1/status'), 'utf8').trim()).toBe('PASSED')
    expect(readFileSync(join(home, 'builds/job/1/runs/one/console.log'), 'utf8')).toBe('hello mill\n')
    expect(readFileSync(join(home, 'builds/job/1/runs/two/console.log'), 'utf8')).toBe('hello world\n')
  })
})

describe('quern plan', () => {
  const entry = JSON.stringify({ repository: 'mill', full_name: 'mills/mill', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: 'Ada', committer_email: 'ada@example.org', clone_url: 'https://example.org/mill.git' })

  test('shows the plan of a request and why', async () => {
    const home = homeWith({ 'entry.json': entry, 'scripts/build_packages': 'make {repository}\n' })
    const { code, stdout, stderr } = await runQuern(home, ['plan', '--request', join(home, 'entry.json'), '--scripts'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/Pipeline +chunks\nWhy +script chunks are the pipeline where nothing else is named; the home has some of its own in scripts\/, so .*\nRecords +builds\/mills~mill\n/)
    expect(stdout).toMatch(/\nbuild +shell +yes +60 +none\n/)
    expect(stdout).toContain('make ${REPOSITORY}\n')
  })

  test('runs, fetches and keeps nothing', async () => {
    const home = homeWith({ 'entry.json': entry })
    await runQuern(home, ['plan', '--request', join(home, 'entry.json')])
    expect(execFileSync('find', [home, '-mindepth', '1'], { encoding: 'utf8' }).trim().split('\n').toSorted()).toEqual([join(home, 'entry.json'), join(home, 'queue')])
  })

  test('prints JSON as in plan.json', async () => {
    const home = homeWith({ 'entry.json': JSON.stringify({ ...JSON.parse(entry), pipeline: 'job:a' }), 'job-defs/a.yml': 'script: ls\n' })
    expect(JSON.parse((await runQuern(home, ['plan', '--request', join(home, 'entry.json'), '--json'])).stdout)).toMatchObject({ pipeline: 'job:a', why: 'the request names this pipeline', runs: [{ name: 'a', executor: 'sandbox' }] })
  })

  test('takes the checked-out branch of a repository as pushed, and the pipeline of the hook', async () => {
    const repository = gitRepo()
    repository.commit({ a: '1' })
    const home = homeWith({ 'job-defs/a.yml': 'refs: [release/*]\nscript: ls\n', 'quern.yaml': 'hooks: [{id: amp_main, secret: not-a-secret, pipeline: "job:a"}]\n' })
    const { stdout, stderr } = await runQuern(home, ['plan', repository.path])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/Why +quern\.yaml names this pipeline for the hook amp_main\n/)
    expect(stdout).toContain('ignored: ref refs/heads/main is not among the refs of the job a (release/*)')
  })

  test('a pipeline file with a mistake is told with its line, and is no plan without jobs', async () => {
    const repository = gitRepo()
    repository.commit({ '.quern/pipeline.ts': 'import { pipeline } from "quern"\nexport default pipeline({ (p) => {})\n' })
    const home = homeWith({ 'environment.sh': 'export PIPELINE_EXECUTOR="shell"\n' })
    const { code, stdout } = await runQuern(home, ['plan', repository.path])
    expect(stdout).toMatch(/Why +the commit has a \.quern\/pipeline\.ts.*\nRecords .*\n\nmistake: \.quern\/pipeline\.ts:2: .+\n$/)
    expect(code).toBe(1)
    const json = await runQuern(home, ['plan', repository.path, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ runs: [], mistake: expect.stringMatching(/^\.quern\/pipeline\.ts:2: /) })
    expect(json.code).toBe(1)
  })

  test.each([
    ['missing.json', /reading the request: ENOENT/],
    ['torn.json', /torn\.json: expected a request as JSON/],
    ['wrong.json', /repository: .*; ref: /],
    ['pipeline.json', /no pipeline "make".*: expected "chunks", "job:<name>" or "file:<path>"/],
    ['nowhere.json', /CLONE_BASE is not set/],
  ])('%s is refused', async (file, message) => {
    const five = { repository: 'mill', ref: 'refs/heads/main', commit_id: 'a'.repeat(40), committer_name: '', committer_email: '' }
    const home = homeWith({ 'torn.json': '{"repository', 'wrong.json': '{}', 'pipeline.json': JSON.stringify({ ...five, pipeline: 'make' }), 'nowhere.json': JSON.stringify(five) })
    const { code, stderr } = await runQuern(home, ['plan', '--request', join(home, file)])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

describe('quern lint', () => {
  test('finds nothing where nothing is wrong', async () => {
    const home = homeWith({ 'job-defs/example.yml': example, 'scripts/build_packages_main': 'make\n' })
    expect(await runQuern(home, ['lint'])).toEqual({ code: 0, stderr: '', stdout: 'No mistake in 1 job definition and 3 script chunks.\n' })
  })

  test('tells every mistake with its file', async () => {
    const home = homeWith({
      'job-defs/a.yml': 'scrpt: ls\n',
      'job-defs/b.yml': 'needs: [c]\nscript: ls\n',
      'job-defs/d.yml': 'engine: true\nscript: ls\n',
      'job-defs/e.yml': 'needs: [a]\nscript: ls\n',
      'scripts/build_packages': 'echo "open\n',
    })
    const { code, stdout } = await runQuern(home, ['lint'])
    expect(code).toBe(1)
    const lines = stdout.replaceAll(`${home}/`, '').split('\n')
    expect(lines).toEqual(expect.arrayContaining([
      'job-defs/a.yml:1: script: is missing',
      expect.stringMatching(/^job-defs\/a\.yml:1: scrpt: unknown key/),
      expect.stringMatching(/^job-defs\/b\.yml: the job b needs c: no job c/),
      expect.stringMatching(/^job-defs\/d\.yml: the job d asks to drive podman or docker/),
      expect.stringMatching(/^chunk scripts\/build_packages: double quotes opened on line 1/),
    ]))
    expect(stdout.match(/a\.yml:1: scrpt/g), 'once, although e needs it').toHaveLength(1)
    expect(JSON.parse((await runQuern(home, ['lint', '--json'])).stdout)).toMatchObject({ jobs: ['b', 'd', 'e'], problems: stdout.trimEnd().split('\n') })
  })
})

describe('quern sync', () => {
  test('pulls the clone, tells what changed and what is wrong in it', async () => {
    const server = gitRepo()
    server.commit({ 'a.yml': 'script: ls\n' })
    const home = homeWith({})
    execFileSync('git', ['clone', '--quiet', server.path, join(home, 'job-defs')], { env: gitTestEnvironment })
    expect(await runQuern(home, ['sync'])).toEqual({ code: 0, stderr: '', stdout: 'job-defs is up to date.\n' })
    expect(await runQuern(home, ['sync', '--quiet'])).toEqual({ code: 0, stderr: '', stdout: '' })
    server.commit({ 'b.yml': 'scrpt: ls\n' })
    const { code, stdout, stderr } = await runQuern(home, ['sync', '--quiet'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^Updated job-defs from [0-9a-f]{10} to [0-9a-f]{10}\.\nadded {2}b\n$/)
    expect(stderr).toMatch(/b\.yml:1: scrpt: unknown key/)
    // Cron mails what is said, every five minutes.
    expect(await runQuern(home, ['sync', '--quiet'])).toEqual({ code: 1, stderr: '', stdout: '' })
    expect(await runQuern(home, ['sync'])).toMatchObject({ code: 1, stderr: expect.stringContaining('b.yml:1: scrpt: unknown key') })
  })

  test('is refused where job-defs is no clone', async () => {
    const { code, stderr } = await runQuern(homeWith({ 'job-defs/a.yml': 'script: ls\n' }), ['sync'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^quern: .*job-defs is no git clone, so there is nothing to pull: move it away, then git clone URL/)
  })
})
