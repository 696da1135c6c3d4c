import { isRed, type RunResult } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import type { Attempt } from '../attempt.ts'
import { isComparable } from '../blame/comparable.ts'
import { executeRun, type Surroundings } from './execute-run.ts'

/** Executes the runs of one build, a failed one twice. */
export interface Tries {
  execute(run: PlannedRun): Promise<RunResult>
  /** What was tried again, in the order in which it was. */
  repeated: RunResult[]
}

/**
 * A run that failed is tried once more on a fresh tree, as `<run>~2`: where that passes it is flaky, and what needs it goes on
 * with the tree of the second try. What made the tree that it works in is executed again with it.
 */
export function openTries(attempt: Attempt, surroundings: Surroundings): Tries {
  const { plan } = surroundings.settled
  const repeated: RunResult[] = []
  const nameAgain = openNames(plan.runs)
  return { repeated, execute }

  async function execute(run: PlannedRun): Promise<RunResult> {
    const first = await executeRun(attempt, run, surroundings)
    if (!isRed(first) || first.reused !== undefined || attempt.stop.signal.aborted || !isComparable(plan, [run.name])) return first
    attempt.record.say(`Run ${run.name} ${first.verdict}; it is tried once more.`)
    const last = await again(run)
    if (last.verdict !== 'passed' || last.repeats !== run.name) return first
    surroundings.trees.standIn(run.name, last.name)
    return { ...first, blame: { class: 'flaky', reason: `it ${first.verdict}, then passed on the same tree as ${last.name}` } }
  }

  /** @returns how the last one ended that was executed */
  async function again(run: PlannedRun): Promise<RunResult> {
    let tree: string | undefined
    let last: RunResult | undefined
    for (const original of treeMakers(run, plan.runs)) {
      const copy: PlannedRun = { ...original, name: nameAgain(original.name), ...(tree !== undefined && { workspace: { from: tree } }) }
      surroundings.trees.add(copy, original.name)
      last = { ...(await executeRun(attempt, copy, surroundings)), repeats: original.name }
      repeated.push(last)
      if (last.verdict !== 'passed') break
      tree = copy.name
    }
    return last!
  }
}

/** The run and, before it, those whose tree it takes over. */
function treeMakers(run: PlannedRun, runs: PlannedRun[]): PlannedRun[] {
  if (typeof run.workspace !== 'object') return [run]
  const { from } = run.workspace
  return [...treeMakers(runs.find(({ name }) => name === from)!, runs), run]
}

/** `make~2`, then `make~3`, never the name of another run. */
function openNames(runs: PlannedRun[]): (name: string) => string {
  const taken = new Set(runs.map(({ name }) => name))
  return (name) => {
    for (let number = 2; ; number++) {
      const again = `${name}~${number}`
      if (taken.has(again)) continue
      taken.add(again)
      return again
    }
  }
}
