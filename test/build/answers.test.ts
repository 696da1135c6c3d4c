import { expect, test } from 'vitest'
import { answersOf } from '../../src/build/blame/blame.ts'
import type { BuildResult, RunResult } from '../../src/model/build.ts'
import { aRequest } from '../helpers/a-request.ts'
import { failedBuild, failedRun } from '../helpers/failed-build.ts'

const run = (verdict: RunResult['verdict'], change: Partial<RunResult> = {}) => failedRun('check', { verdict, ...change })

test.each<[string, BuildResult['verdict'], RunResult[], string]>([
  ['whose run passed', 'failed', [run('passed')], 'green'],
  ['whose run failed, then passed', 'passed', [run('failed'), run('passed', { name: 'check~2', repeats: 'check' })], 'green'],
  ['whose run failed twice', 'failed', [run('failed'), run('failed', { name: 'check~2', repeats: 'check' })], 'red'],
  ['whose run timed out', 'timed-out', [run('timed-out')], 'red'],
  ['that failed before it got to the run', 'failed', [run('skipped')], 'skipped'],
  ['that failed before its plan was made', 'failed', [], 'skipped'],
  ['that has no such run', 'passed', [], 'absent'],
  ['that was cancelled before it was planned', 'cancelled', [], 'unknown'],
  ['that errored before it was planned', 'errored', [], 'unknown'],
  ['that was cancelled before it got to the run', 'cancelled', [run('skipped')], 'unknown'],
  ['whose run was cancelled', 'cancelled', [run('cancelled')], 'unknown'],
  ['whose run errored', 'errored', [run('errored')], 'unknown'],
])('a build of the parent %s says so of it', (_, verdict, runs, answer) => {
  const { result } = failedBuild({ result: { verdict, runs } })
  const request = aRequest({ blame: { for: 'app/1', runs: ['check'] } })
  expect(answersOf({ request }, result)['check']!.verdict).toBe(answer)
})
