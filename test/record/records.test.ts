import { armFault, disarmFault } from '../helpers/fault.mjs'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { BuildResult } from '../../src/model/build.ts'
import { addToIndex, rebuildIndex } from '../../src/record/build-index.ts'
import { amendResult, openBuildRecord } from '../../src/record/build-record.ts'
import { openRecords } from '../../src/record/open-records.ts'
import { aRequest } from '../helpers/a-request.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const aResult: BuildResult = {
  pipeline: 'app', number: 1, verdict: 'failed', attempt: 1, entry: '1.000001-a.json', repository: 'app', ref: 'refs/heads/main',
  commit_id: 'a'.repeat(40), started: '2026-01-01T00:00:00.000Z', ended: '2026-01-01T00:00:01.000Z', runs: [],
}

test('numbers rise by one for each pipeline, also after a restart', () => {
  const home = tempDir()
  const records = openRecords(home)
  expect([records.reserve('app'), records.reserve('app'), records.reserve('lib')].map(({ number }) => number)).toEqual([1, 2, 1])
  expect(openRecords(home).reserve('app').number).toBe(3)
})

test('a number whose directory somebody made is passed over', () => {
  const home = tempDir()
  const records = openRecords(home)
  records.reserve('app')
  mkdirSync(join(home, 'builds/app/2'))
  expect(records.reserve('app').number).toBe(3)
})

test('a build is RUNNING until it is decided, then has its verdict and result', async () => {
  const home = tempDir()
  const records = openRecords(home)
  const build = records.reserve('app')
  expect(records.status(build)).toBeUndefined()
  const record = openBuildRecord(records.directory(build), { request: aRequest(), attempt: 1 })
  expect(records.status(build)).toBe('RUNNING')
  expect(records.result(build)).toBeUndefined()
  await record.decide(aResult)
  expect(records.status(build)).toBe('FAILED')
  expect(records.result(build)).toEqual(aResult)
})

test('a number is given, a build decided and its result amended once the names of it are flushed', async () => {
  onTestFinished(disarmFault)
  const home = tempDir()
  mkdirSync(join(home, 'builds'))
  armFault({ calls: ['fsync'], at: 1, error: 'EIO', under: join(home, 'builds') })
  expect(() => openRecords(home).reserve('app')).toThrow('EIO')
  disarmFault()
  const build = openRecords(home).reserve('app')
  const directory = openRecords(home).directory(build)
  // Request, result and status, then the names in the record and its own.
  for (const at of [1, 2, 3, 4, 5]) {
    const record = openBuildRecord(directory, { request: aRequest(), attempt: 1 })
    armFault({ calls: ['fsync'], at, error: 'EIO', under: join(home, 'builds') })
    await expect(record.decide(aResult), `flush ${at}`).rejects.toThrow('EIO')
    disarmFault()
  }
  for (const at of [1, 2]) {
    armFault({ calls: ['fsync'], at, error: 'EIO', under: directory })
    expect(() => amendResult(directory, aResult), `flush ${at}`).toThrow('EIO')
    disarmFault()
  }
})

test('the status is what decides: before it says so, the result is there', async () => {
  onTestFinished(disarmFault)
  const records = openRecords(tempDir())
  const build = records.reserve('app')
  const record = openBuildRecord(records.directory(build), { request: aRequest(), attempt: 1 })
  armFault({ calls: ['rename'], at: 1, error: 'EIO', under: join(records.directory(build), '.status.tmp') })
  await expect(record.decide(aResult)).rejects.toThrow('EIO')
  expect([records.status(build), records.result(build)]).toEqual(['RUNNING', aResult])
})

test('what an earlier attempt left is set aside, not mixed in', () => {
  const directory = join(tempDir(), '1')
  const run = { name: 'build', job: 'build', executor: 'shell', script: '', needs: [], workspace: 'none', env: {}, params: {}, secrets: [], timeout: 1, network: true, artifacts: [] } as const
  openBuildRecord(directory, { request: aRequest(), attempt: 1 }).openRun({ ...run, needs: [], secrets: [], artifacts: [] })
  openBuildRecord(directory, { request: aRequest(), attempt: 2 })
  expect(existsSync(join(directory, 'runs'))).toBe(false)
  expect(readFileSync(join(directory, 'attempts/1/runs/build/status'), 'utf8')).toBe('RUNNING\n')
})

test('the index can be made again from the records', async () => {
  const home = tempDir()
  const records = openRecords(home)
  for (const ended of ['2026-01-01T00:00:03.000Z', '2026-01-01T00:00:02.000Z']) {
    const build = records.reserve('app')
    const result = { ...aResult, ...build, ended }
    await openBuildRecord(records.directory(build), { request: aRequest(), attempt: 1 }).decide(result)
    addToIndex(home, result)
  }
  const written = readFileSync(join(home, 'builds/index.jsonl'), 'utf8').trim().split('\n')
  expect(rebuildIndex(home)).toBe(2)
  expect(readFileSync(join(home, 'builds/index.jsonl'), 'utf8').trim().split('\n')).toEqual(written.toReversed())
})
