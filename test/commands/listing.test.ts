import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { printTable } from '../../src/commands/terminal.ts'
import { takeLock } from '../../src/disk/lock.ts'
import type { BuildResult } from '../../src/model/build.ts'
import { aRequest } from '../helpers/a-request.ts'
import { homeWithBuilds } from '../helpers/home-with-builds.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** Escapes, bells and what turns text around. */
// eslint-disable-next-line no-control-regex
const steering = /[\x1b\x07\u202e]/

test('queue shows what is claimed, waits and is bad', async () => {
  const { home, accept, begin } = homeWithBuilds()
  const claimed = await accept(aRequest({ repository: 'first' }))
  await begin()
  const waiting = await accept(aRequest({ repository: 'second', committer_name: 'Eve \u202e' }))
  writeFileSync(join(home, 'queue/bad/broken.json'), 'x')
  writeFileSync(join(home, 'queue/bad/broken.json.reason'), 'not JSON \u001b[31m\n')
  const { code, stdout } = await runQuern(home, ['queue'])
  expect(code).toBe(0)
  expect(stdout.trimEnd().split('\n').map((line) => line.split(/\s+/).slice(0, 3))).toEqual([
    ['STATE', 'ENTRY', 'REPOSITORY'],
    ['claimed', claimed, 'first'],
    ['waiting', waiting, 'second'],
    ['bad', 'broken.json', 'not'],
  ])
  expect(stdout).toContain('first/1')
  expect(stdout).not.toMatch(steering)
  const listed = JSON.parse((await runQuern(home, ['queue', '--json'])).stdout) as { state: string; request: { repository: string } }[]
  expect(listed.map(({ state, request }) => [state, request?.repository])).toEqual([['claimed', 'first'], ['waiting', 'second'], ['bad', undefined]])
})

test('queue says of an entry that is half written that it is no request yet, and what becomes of it', async () => {
  const { home } = homeWithBuilds()
  writeFileSync(join(home, 'queue/half.json'), '{"repository":')
  expect((await runQuern(home, ['queue'])).stdout).toMatch(/^waiting +half\.json +no request yet \(it cannot be read: .*JSON.*\); if it stays so, a builder sets it aside in queue\/bad a minute after it was written$/m)
})

test('200,000 rows are not too many for a table', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  onTestFinished(() => write.mockRestore())
  printTable([...Array(200_000).fill(['a', 'b']), ['longer', 'b']])
  expect(write).toHaveBeenCalledTimes(200_001)
  expect(write.mock.calls[0]![0]).toBe('a       b\n')
})

test('how long a build took is left open where the clock stepped back meanwhile', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  const result = await decide('passed')
  for (const path of ['builds/index.jsonl', 'builds/app/1/result.json']) writeFileSync(join(home, path), `${JSON.stringify({ ...result, ended: '2026-01-02T01:04:17.000Z' })}\n`)
  for (const words of [['builds'], ['show', 'app/1']]) expect((await runQuern(home, words)).stdout).not.toMatch(/-\d+(?:\.\d)? (?:s|h)/)
})

test('builds shows what runs first, then the newest', async () => {
  const { home, accept, begin, decide } = homeWithBuilds()
  for (const verdict of ['passed', 'failed'] as const) {
    await accept(aRequest())
    await decide(verdict)
  }
  await accept(aRequest({ repository: 'other' }))
  await begin()
  const { stdout } = await runQuern(home, ['builds'])
  expect(stdout.trimEnd().split('\n').map((line) => line.split(/\s+/).slice(0, 2))).toEqual([['BUILD', 'STATUS'], ['other/1', 'RUNNING'], ['app/2', 'FAILED'], ['app/1', 'PASSED']])
  expect(stdout).toContain('12 s')
  const { running, finished } = JSON.parse((await runQuern(home, ['builds', 'app', '-n', '1', '--json'])).stdout) as { running: unknown[]; finished: { number: number }[] }
  expect([running.length, finished.map(({ number }) => number)]).toEqual([0, [2]])
})

test('a lost index is made again from the records, unless a builder adds to it', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  await decide('passed')
  rmSync(join(home, 'builds/index.jsonl'))
  expect((await runQuern(home, ['builds'])).stdout).toBe(`There are no builds in ${home} yet.\n`)
  const lock = takeLock(join(home, 'queue/.lock'))!
  expect(await runQuern(home, ['builds', '--reindex'])).toMatchObject({ code: 2, stderr: expect.stringContaining('a builder is at work') })
  lock.release()
  expect((await runQuern(home, ['builds', '--reindex'])).stdout).toContain('app/1')
  expect((await runQuern(home, ['builds'])).stdout).toContain('app/1')
})

test('show tells the facts and the end of the log, --log prints it byte by byte', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest({ message: 'Mend \u001b]0;owned\u0007 it\n\nLong story', committer_name: 'Eve \u001b[2J' }))
  const output = `first line\n${'\u001b[31mred\u001b[0m\n'.repeat(30)}last line\n`
  await decide('failed', { output })
  const { code, stdout } = await runQuern(home, ['show', 'builds/app/1/'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/status +FAILED/)
  expect(stdout).toMatch(/exit code +2/)
  expect(stdout).toContain('last line')
  expect(stdout).not.toContain('first line')
  expect(stdout).not.toMatch(steering)
  expect((await runQuern(home, ['show', 'app/1', '--log'])).stdout).toBe(output)
  expect(JSON.parse((await runQuern(home, ['show', 'app/1', '--json'])).stdout)).toMatchObject({ build: 'app/1', status: 'FAILED', result: { verdict: 'failed' }, runs: [{ name: 'build', status: 'FAILED' }] })
})

test('show says where the artifacts are', async () => {
  const { home, accept, begin } = homeWithBuilds()
  await accept(aRequest())
  const { record, run } = await begin()
  const shown = async (...words: string[]) => (await runQuern(home, ['show', 'app/1', ...words])).stdout
  expect(await shown()).not.toMatch(/^artifacts/m)
  mkdirSync(join(run.directory, 'artifacts'))
  expect(await shown()).toMatch(new RegExp(`^artifacts +${run.directory}/artifacts$`, 'm'))
  mkdirSync(join(record.openRun({ name: 'test', params: {} }).directory, 'artifacts'))
  expect(await shown()).toMatch(new RegExp(`^artifacts +${record.directory}/runs/\\*/artifacts$`, 'm'))
  expect(JSON.parse(await shown('--json', '--run', 'build'))).toMatchObject({ runs: [{ name: 'build', artifacts: `${run.directory}/artifacts` }] })
})

test('show names the runs of several logs, and knows a run by its name where its directory has another', async () => {
  const { home, accept, begin } = homeWithBuilds()
  await accept(aRequest({ committer_email: '' }))
  const { claim, record, run } = await begin()
  run.setStatus('PASSED')
  const again = record.openRun({ name: 'test it~2', params: {} })
  writeFileSync(join(again.directory, 'console.log'), 'once more\n')
  again.setStatus('FAILED')
  const { repository, ref, commit_id } = claim.request
  const runs = [{ name: 'build', verdict: 'passed' as const }, { name: 'test it~2', verdict: 'failed' as const, code: 1 }]
  await record.decide({ ...claim.build, verdict: 'failed', attempt: 1, entry: claim.entry, repository, ref, commit_id, started: '2026-01-02T03:04:05.000Z', ended: '2026-01-02T03:04:06.000Z', runs })
  expect((await runQuern(home, ['show', 'app/1', '--log'])).stdout).toBe('==> build <==\nhello\n\n==> test it~2 <==\nonce more\n')
  expect((await runQuern(home, ['show', 'app/1', '--log', '--run', 'test it~2'])).stdout).toBe('once more\n')
  const { stdout } = await runQuern(home, ['show', 'app/1'])
  expect(stdout).toMatch(/^ {2}test it~2 +FAILED/m)
  expect(stdout).toMatch(new RegExp(`^committer +${claim.request.committer_name}$`, 'm'))
})

test('show lists runs that never began, with the reason, and the log of the one that broke the build', async () => {
  const { home, accept, begin } = homeWithBuilds()
  await accept(aRequest())
  const { claim, record, run } = await begin('it broke\n')
  run.setStatus('FAILED')
  const { repository, ref, commit_id } = claim.request
  const runs = [{ name: 'build', verdict: 'failed' as const, code: 1 }, { name: 'publish', verdict: 'skipped' as const, reason: 'it needs build, which failed' }]
  await record.decide({ ...claim.build, verdict: 'failed', attempt: 1, entry: claim.entry, repository, ref, commit_id, started: '2026-01-02T03:04:05.000Z', ended: '2026-01-02T03:04:06.000Z', runs })
  const { stdout } = await runQuern(home, ['show', 'app/1'])
  expect(stdout).toMatch(/^ {2}build +FAILED\s+publish +SKIPPED +it needs build, which failed$/m)
  expect(stdout).toContain('it broke')
  expect((await runQuern(home, ['show', 'app/1', '--log'])).stdout).toBe('it broke\n')
})

test('show tells our fault once, and the story where the log is empty', async () => {
  const { home, accept, begin } = homeWithBuilds()
  await accept(aRequest())
  const { claim, record, run } = await begin('')
  run.setStatus('ERRORED')
  record.say('Run build errored.')
  const { repository, ref, commit_id } = claim.request
  const reason = 'there is no such image'
  const fault = { verdict: 'errored' as const, reason, blame: { class: 'infra' as const, reason } }
  await record.decide({ ...claim.build, ...fault, attempt: 1, entry: claim.entry, repository, ref, commit_id, started: '2026-01-02T03:04:05.000Z', ended: '2026-01-02T03:04:06.000Z', runs: [{ name: 'build', ...fault }] })
  const { stdout } = await runQuern(home, ['show', 'app/1'])
  expect(stdout).toMatch(/^because +there is no such image\nblame +infra$/m)
  expect(stdout).toMatch(/Run build errored\.\n$/)
  expect(stdout).not.toContain('The end of')
})

test('a line that the excerpt would cut in two is left out', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  await decide('failed', { output: `${'cut'.repeat(20_000)}\n${'whole'.repeat(10_000)}\n` })
  const { stdout } = await runQuern(home, ['show', 'app/1'])
  expect(stdout).toContain('whole')
  expect(stdout).not.toContain('cut')
})

test('owner/name is understood as the directory owner~name', async () => {
  const { home, accept, decide, records } = homeWithBuilds()
  await accept(aRequest({ repository: 'app' }))
  const result = await decide('passed')
  renameSync(dirname(records.directory(result)), join(home, 'builds/example~app'))
  writeFileSync(join(home, 'builds/index.jsonl'), `${JSON.stringify({ ...result, pipeline: 'example~app' })}\n`)
  for (const name of ['example/app', 'example~app/']) expect((await runQuern(home, ['builds', name])).stdout).toContain('example~app/1')
  for (const name of ['example/app/1', 'builds/example~app/1', `${home}/builds/example~app/1/`]) expect((await runQuern(home, ['show', name])).stdout).toMatch(/build +example~app\/1/)
})

test('show tells a build that runs', async () => {
  const { home, accept, begin } = homeWithBuilds()
  await accept(aRequest())
  await begin('working on it\n')
  const { stdout } = await runQuern(home, ['show', 'app/1'])
  expect(stdout).toMatch(/status +RUNNING/)
  expect(stdout).toContain('working on it')
})

test.each([['app/99'], ['nonsense'], ['../queue/1'], ['.hidden/1']])('show %j is a mistake: exit code 2', async (name) => {
  const { home } = homeWithBuilds()
  mkdirSync(join(home, 'builds/.hidden/1'), { recursive: true })
  const { code, stderr } = await runQuern(home, ['show', name])
  expect(code).toBe(2)
  expect(stderr).toBe(`quern: there is no build ${name}: expected <pipeline>/<number>, as quern builds lists them\n`)
})

test.each([
  ['written', (queue: string) => writeFileSync(queue, '')],
  ['looked into', (queue: string) => symlinkSync('queue', queue)],
])('a home that cannot be %s is told in a sentence', async (_, spoil) => {
  const home = tempDir()
  spoil(join(home, 'queue'))
  expect(await runQuern(home, ['builds'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^quern: cannot use the home .*: E.* Run quern as the user to whom the home belongs, or name another home by QUERN_HOME\n$/) })
})

test.each([['queue'], ['build'], ['builds'], ['serve'], ['lint'], ['logs'], ['sync']])('where there is no home, %s says so and makes none', async (command) => {
  const directory = tempDir()
  writeFileSync(join(directory, 'environment.sh'), 'export SECRET="not-a-real-secret"\n')
  const { code, stderr } = await runQuern(directory, [command])
  expect(code).toBe(2)
  expect(stderr).toBe(`quern: ${directory} is no Quern home (it has no queue/): make one with quern init, or name another by QUERN_HOME\n`)
  expect(readdirSync(directory)).toEqual(['environment.sh'])
})

test.each([['push'], ['serve'], ['poll']])('where QUERN_HOME names a place that is not there, %s names it, not what is missing in it', async (command) => {
  const home = join(tempDir(), 'missing')
  expect(await runQuern(home, [command])).toMatchObject({ code: 2, stderr: `quern: ${home} is no Quern home (it has no queue/): make one with quern init, or name another by QUERN_HOME\n` })
})

test('a reader that leaves early is no error', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  await decide('failed', { output: 'x\n'.repeat(500_000) })
  const { execFileSync } = await import('node:child_process')
  const out = execFileSync('bash', ['-c', 'set -o pipefail; bin/quern show app/1 --log | head -n 1'], { env: { ...process.env, QUERN_HOME: home }, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  expect(out).toBe('x\n')
})

test('show names the page of a build and of a run where there is a public address, and shows the record whatever is wrong with the settings', async () => {
  const { home, accept, decide } = homeWithBuilds()
  await accept(aRequest())
  await decide('passed')
  expect((await runQuern(home, ['show', 'app/1'])).stdout).not.toMatch(/^page/m)
  writeFileSync(join(home, 'environment.sh'), 'export PUBLIC_URL="https://ci.example.org"\n')
  expect((await runQuern(home, ['show', 'app/1'])).stdout).toMatch(/^page +https:\/\/ci\.example\.org\/builds\/app\/1$/m)
  expect(JSON.parse((await runQuern(home, ['show', 'app/1', '--run', 'build', '--json'])).stdout)).toMatchObject({ page: 'https://ci.example.org/builds/app/1/build' })
  writeFileSync(join(home, 'environment.sh'), 'export PUBLIC_URL="ftp://ci.example.org"\n')
  expect(await runQuern(home, ['show', 'app/1'])).toMatchObject({ code: 0, stdout: expect.stringContaining('PASSED') })
})

test('show tells the report of an ended build as text and as Markdown, and that one which runs has none', async () => {
  const { home, accept, decide, begin } = homeWithBuilds()
  await accept(aRequest({ repository: 'app' }))
  await decide('failed', { output: 'main.c:3:1: error: expected a semicolon\n' })
  const [text, markdown] = await Promise.all(['text', 'markdown'].map((form) => runQuern(home, ['show', 'app/1', '--report', form])))
  for (const { code, stdout } of [text!, markdown!]) {
    expect(code).toBe(0)
    expect(stdout).toContain('expected a semicolon')
  }
  expect(markdown!.stdout).toContain('```mermaid')
  await accept(aRequest({ repository: 'app', delivery: 'second' }))
  await begin()
  expect(await runQuern(home, ['show', 'app/2', '--report', 'text'])).toMatchObject({ code: 2, stderr: expect.stringContaining('app/2 has not ended') })
})

test.each(['', '{', 'null', '[]', '{}', '7', '\u0000\ufffd'])('a file of a record that holds %j hides neither the rest of the record nor other builds', async (text) => {
  const { home, accept, decide } = homeWithBuilds()
  for (const _ of [1, 2]) {
    await accept(aRequest())
    await decide('failed', { output: 'a word\n' })
  }
  const record = join(home, 'builds/app/1')
  for (const name of ['result.json', 'plan.json', 'runs/build/params', 'runs/build/error.json']) writeFileSync(join(record, name), text)
  appendFileSync(join(home, 'builds/index.jsonl'), `${text}\n`)
  expect(await runQuern(home, ['show', 'app/1'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/FAILED[^]*a word/), stderr: '' })
  expect(await runQuern(home, ['show', 'app/1', '--report', 'text'])).toMatchObject({ code: 2, stderr: `quern: app/1 has no report: ${record}/result.json is missing or torn\n` })
  expect(await runQuern(home, ['show', 'app/2', '--report', 'text'])).toMatchObject({ code: 0 })
  const numbers = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { finished: BuildResult[] }).finished.map(({ number }) => number)
  expect(numbers(await runQuern(home, ['builds', '--json']))).toEqual([2, 1])
  expect(numbers(await runQuern(home, ['builds', '--reindex', '--json']))).toEqual([2])
})
