import { expect, test } from 'vitest'
import type { Answer, Hold } from '../../src/build/blame/hold.ts'
import { withAuthors } from '../../src/build/blame/look-up.ts'
import { withClasses } from '../../src/build/blame/blame.ts'
import type { Workshop } from '../../src/build/workshop.ts'
import { aRequest } from '../helpers/a-request.ts'
import { failedRun, plannedRun } from '../helpers/failed-build.ts'

const [base, first, second, third] = ['0', '1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string, string]
const answer = (verdict: Answer['verdict']) => ({ check: { verdict } })

/** A failure whose parent is green, where the commits before the second could not be built. */
const hold: Hold = {
  pipeline: 'app', number: 1, request: aRequest({ commit_id: third }), plan: { pipeline: 'job:check', why: '', runs: [plannedRun('check')], notify: [] },
  due: 0, parent: base, commits: [first, second, third], runs: ['check'],
  answers: { [base]: answer('green'), [first]: answer('unknown'), [second]: answer('red') },
}

test.each([
  ['is one person’s, who is named', { [first]: 'ada@example.org', [second]: 'ada@example.org' }, 'ada@example.org'],
  ['is of several people, none is named', { [first]: 'ada@example.org', [second]: 'bob@example.org' }, undefined],
  ['is of somebody and of nobody known, none is named', { [first]: 'ada@example.org', [second]: undefined }, undefined],
])('where what cannot be told from the first bad commit %s', async (_, authors: Record<string, string | undefined>, named) => {
  const settle: Workshop['settle'] = async (request) => ({ plan: hold.plan, request: { ...request, author_email: authors[request.commit_id] }, disclose: () => expect.unreachable() })
  const [run] = await withAuthors({ settle } as unknown as Workshop, hold, withClasses([failedRun('check')], hold))
  expect(run!.blame).toMatchObject({ class: 'new', commit: second })
  expect(run!.blame!.author_email).toBe(named)
})
