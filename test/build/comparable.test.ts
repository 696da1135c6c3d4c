import { expect, test } from 'vitest'
import { isComparable } from '../../src/build/blame/comparable.ts'
import type { PlannedRun } from '../../src/model/plan.ts'
import { plannedRun } from '../helpers/failed-build.ts'

test.each<[string, Partial<PlannedRun>]>([
  ['deploys', { deploy: true }],
  ['may drive an engine', { engine: true }],
  ['holds secrets', { secrets: ['TOKEN'] }],
])('for blame’s sake nothing is executed that %s, nor what needs it', (_, change) => {
  const plan = { pipeline: 'job:x', why: '', runs: [plannedRun('acts', change), plannedRun('make'), plannedRun('test', { needs: ['make', 'acts'] })], notify: [] }
  expect(['acts', 'make', 'test'].map((name) => isComparable(plan, [name]))).toEqual([false, true, false])
})
