/** What is known of a commit in one run. An `untestable` one tells nothing: it could not be built so far. */
export type Quality = 'good' | 'bad' | 'untestable'

/** The commit to look at next, or the first bad one with those that it cannot be told from, itself the last. */
export type Search = { probe: string } | { first: string; among: string[] }

/**
 * One step of a bisection: which commit is next, as far as the qualities of some are known. It keeps no state, so that it
 * can go on from what is on disk. At most log2 n commits are looked at, and one more for each that is untestable.
 * @param commits oldest first; the parent of the first is good, the last one is bad
 */
export function bisect(commits: readonly string[], quality: (commit: string) => Quality | undefined): Search {
  let [good, bad] = [-1, commits.length - 1]
  for (;;) {
    const middle = nearestToMiddle(good, bad, (index) => quality(commits[index]!) !== 'untestable')
    if (middle === undefined) return { first: commits[bad]!, among: commits.slice(good + 1, bad + 1) }
    const known = quality(commits[middle]!)
    if (known === undefined) return { probe: commits[middle]! }
    if (known === 'good') good = middle
    else bad = middle
  }
}

/** The index between both, neither included, that halves what lies between best and is eligible. */
function nearestToMiddle(good: number, bad: number, eligible: (index: number) => boolean): number | undefined {
  const middle = (good + bad) >> 1
  const between = Array.from({ length: Math.max(bad - good - 1, 0) }, (_, index) => good + 1 + index)
  return between.filter(eligible).sort((one, other) => Math.abs(one - middle) - Math.abs(other - middle) || one - other)[0]
}
