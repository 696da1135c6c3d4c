import { expect, test } from 'vitest'
import { blamePatches, parentOf } from '../../src/build/blame/blame-series.ts'
import type { RunResult } from '../../src/model/build.ts'
import type { Plan, PlannedRun } from '../../src/model/plan.ts'
import type { Verdict } from '../../src/model/verdict.ts'

/** The runs of each patch, the first patch first, as `make` or `fate needs make`. */
function planOf(...patches: string[][]): Plan {
  const runs = patches.flatMap((names, index) => names.map((text): PlannedRun => {
    const [run = '', need] = text.split(' needs ')
    const at = (name: string) => `${name} [${index + 1}]`
    return { name: at(run), job: run, executor: 'sandbox', script: '', needs: need === undefined ? [] : [at(need)], workspace: 'commit', env: {}, params: {}, secrets: [], timeout: 1, network: false, artifacts: [], patch: { n: index + 1, commit: String(index + 1), run }, ...(run === 'pipeline' && { mistake: { message: 'a mistake', printed: '' } }) }
  }))
  return { pipeline: 'job:make', why: 'a test says so', runs, notify: [], series: { base: '0', patches: patches.map((_, index) => ({ id: index + 1, n: index + 1, commit: String(index + 1), tree: '' })) } }
}

/** The classes of the runs that failed, by their names, and `open` where only the base can tell. */
function classes(plan: Plan, verdicts: Record<string, Verdict>): Record<string, string> {
  const results = plan.runs.map(({ name }): RunResult => ({ name, verdict: verdicts[name] ?? 'passed' }))
  return Object.fromEntries(blamePatches(plan, results).filter(({ verdict }) => verdict === 'failed' || verdict === 'timed-out').map(({ name, blame }) => [name, blame?.class ?? 'open']))
}

test('a failure is compared with the patch before it, that of the first patch is left open', () => {
  const plan = planOf(['make'], ['make'], ['make'], ['make'])
  expect(classes(plan, { 'make [1]': 'failed', 'make [2]': 'timed-out', 'make [4]': 'failed' })).toEqual({ 'make [1]': 'open', 'make [2]': 'parent', 'make [4]': 'new' })
})

test('a patch that left the run out is passed over', () => {
  const plan = planOf(['make'], ['docs'], ['make'], ['docs', 'make'])
  expect(classes(plan, { 'make [3]': 'failed', 'docs [4]': 'failed' })).toEqual({ 'make [3]': 'new', 'docs [4]': 'new' })
  expect(classes(plan, { 'make [1]': 'failed', 'make [3]': 'failed' })).toEqual({ 'make [1]': 'open', 'make [3]': 'parent' })
  expect(parentOf(planOf(['docs'], ['docs'], ['make']), plan.runs.find(({ name }) => name === 'make [3]')!)).toBe('base')
})

test('behind a patch whose pipeline file has a mistake, a failure is older: that one did not get so far', () => {
  const plan = planOf(['make'], ['pipeline'], ['make'])
  expect(classes(plan, { 'pipeline [2]': 'failed', 'make [3]': 'failed' })).toEqual({ 'pipeline [2]': 'open', 'make [3]': 'parent' })
  expect(classes(planOf(['pipeline'], ['pipeline']), { 'pipeline [1]': 'failed', 'pipeline [2]': 'failed' })).toEqual({ 'pipeline [1]': 'open', 'pipeline [2]': 'parent' })
})

test('behind a run that was skipped, a failure is older; where this server is why, nobody knows', () => {
  const plan = planOf(['make', 'fate needs make'], ['make', 'fate needs make'])
  expect(classes(plan, { 'make [1]': 'failed', 'fate [1]': 'skipped', 'fate [2]': 'failed' })).toEqual({ 'make [1]': 'open', 'fate [2]': 'parent' })
  expect(classes(plan, { 'make [1]': 'errored', 'fate [1]': 'skipped', 'make [2]': 'failed', 'fate [2]': 'failed' })).toEqual({ 'make [2]': 'infra', 'fate [2]': 'infra' })
})
