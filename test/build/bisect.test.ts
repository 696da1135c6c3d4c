import { expect, test } from 'vitest'
import { bisect, type Quality } from '../../src/build/blame/bisect.ts'

/** Searches, with commits numbered from 0, and returns what was found and how often it looked. */
function search(count: number, truth: (index: number) => Quality) {
  const commits = Array.from({ length: count }, (_, index) => String(index))
  const known = new Map<string, Quality>()
  for (;;) {
    const step = bisect(commits, (commit) => known.get(commit))
    if (!('probe' in step)) return { first: Number(step.first), among: step.among.map(Number), looks: known.size }
    expect(known.has(step.probe)).toBe(false)
    known.set(step.probe, truth(Number(step.probe)))
  }
}

test('finds every first bad commit of every length within log2 n looks', () => {
  for (let count = 1; count <= 33; count++) {
    for (let first = 0; first < count; first++) {
      const found = search(count, (index) => (index >= first ? 'bad' : 'good'))
      expect(found).toMatchObject({ first, among: [first] })
      expect(found.looks).toBeLessThanOrEqual(Math.ceil(Math.log2(count)))
    }
  }
})

test('names all commits that cannot be told from the first bad one', () => {
  expect(search(8, (index) => (index === 3 || index === 4 ? 'untestable' : index >= 5 ? 'bad' : 'good'))).toMatchObject({ first: 5, among: [3, 4, 5] })
  expect(search(4, () => 'untestable')).toMatchObject({ first: 3, among: [0, 1, 2, 3] })
})
