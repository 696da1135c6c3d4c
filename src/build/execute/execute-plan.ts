import type { RunResult } from '../../model/build.ts'
import type { Attempt } from '../attempt.ts'
import type { Settled } from '../workshop.ts'
import { executeRun } from './execute-run.ts'
import { openGroups } from './groups.ts'
import { openReuse } from './reuse.ts'
import { openServiceNetwork } from './service-network.ts'
import { openSharedDirectory } from './shared-directory.ts'
import { schedule } from './schedule.ts'
import { openTries } from './second-try.ts'
import { openTrees } from './trees.ts'

/** Executes the runs of a plan, what needs others after these; what was tested before on the same tree is not tested again. Resolves with the plan's runs, each followed by its repetitions. */
export async function executePlan(attempt: Attempt, settled: Settled): Promise<RunResult[]> {
  const trees = openTrees(attempt, settled)
  const shared = openSharedDirectory(attempt, settled.plan)
  const network = openServiceNetwork(attempt, settled)
  const groups = openGroups(attempt.workshop.turns, settled.plan.runs)
  try {
    const reuse = await openReuse(attempt, settled)
    const surroundings = { trees, settled, shared, network, groups, takenMeanwhile: reuse.takenMeanwhile }
    const tries = openTries(attempt, surroundings)
    const retry = attempt.workshop.blame.compare && attempt.workshop.blame.retry && settled.origin !== undefined && settled.plan.pipeline !== 'chunks'
    const runs = await schedule(settled.plan.runs, async (run, service) => {
      const result = reuse.taken(run) ?? (await (retry && service === undefined ? tries.execute(run) : executeRun(attempt, run, { ...surroundings, service })))
      await reuse.keep(run, result)
      return result
    })
    return runs.flatMap((run) => [run, ...tries.repeated.filter(({ repeats }) => repeats === run.name)])
  } finally {
    groups.giveBack()
    await network.remove()
    await trees.removeAll()
    await shared.remove()
  }
}
