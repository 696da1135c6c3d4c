import { expect, test } from 'vitest'
import type { Blame } from '../../src/model/build.ts'
import { sharesOf } from '../../src/report/shares.ts'
import { failedBuild, failedRun } from '../helpers/failed-build.ts'

const blamed = (name: string, blame: Blame) => failedRun(name, { blame })

test('each author hears of the own failures only, the administrator of ours, and nobody of the others', () => {
  const culprit = { commit: 'b'.repeat(40), author_name: 'Bob', author_email: 'bob@example.org' }
  const runs = [
    blamed('mine', { class: 'new', reason: 'green before' }),
    blamed('bobs', { class: 'new', reason: 'found', ...culprit }),
    blamed('bobs too', { class: 'new', reason: 'found', ...culprit, author_email: 'Bob@example.org' }),
    blamed('old', { class: 'parent', reason: 'red before' }),
    blamed('lucky', { class: 'flaky', reason: 'passed again' }),
    failedRun('ours', { verdict: 'errored', blame: { class: 'infra', reason: 'the disk is full' } }),
  ]
  const shares = sharesOf(failedBuild({ result: { runs, blame: runs[0]!.blame! } }))
  expect(shares.map(({ result, request }) => [result.verdict, result.runs.map(({ name }) => name), request.committer_email])).toEqual([
    ['failed', ['mine'], 'ada@example.org'],
    ['failed', ['bobs', 'bobs too'], 'bob@example.org'],
    ['errored', ['ours'], 'ada@example.org'],
  ])
  expect(shares[1]!.result.commit_id).toBe(culprit.commit)
})

test('a first bad commit whose author is not certain is told to nobody but the administrator: no address stands in its share', () => {
  const runs = [blamed('x', { class: 'new', reason: 'found', commit: 'b'.repeat(40) })]
  const [share] = sharesOf(failedBuild({ result: { runs, blame: runs[0]!.blame! } }))
  expect(share!.request).toMatchObject({ committer_email: '', author_email: '' })
  expect(share!.request.pusher_email).toBeUndefined()
})
