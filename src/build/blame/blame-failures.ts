import { verdictOf, type Blame, type RunResult } from '../../model/build.ts'
import type { Attempt } from '../attempt.ts'
import { blameOf, classifyAtOnce, isCompared, openHold, withClasses } from './blame.ts'
import type { Hold } from './hold.ts'
import { lookUp, withAuthors } from './look-up.ts'
import type { Settled } from '../workshop.ts'

type Tested = Pick<Settled, 'plan' | 'request' | 'origin'>

/**
 * Gives the failures of a build their classes, as far as stored verdicts tell them. Where another commit must be built
 * first, the hold says what is asked.
 */
export async function blameFailures(attempt: Attempt, settled: Tested, runs: RunResult[]): Promise<{ runs: RunResult[]; blame?: Blame | undefined; hold?: Hold }> {
  const { workshop, record, stop } = attempt
  if (!workshop.blame.compare || !isCompared(settled)) return { runs }
  const { known, hold } = await (settled.plan.series === undefined ? look : lookAtSeries)(attempt, settled, runs)
  if (hold !== undefined && (await lookUp(workshop, hold, stop.signal)) !== undefined) {
    record.say(`${hold.runs.length > 0 ? 'Whose the failure is' : 'Which warnings are new'} waits for the verdict on ${hold.parent}, the parent; nobody is told before.`)
    return { runs: known, hold }
  }
  const classed = await withAuthors(workshop, hold, withClasses(known, hold))
  return { runs: classed, blame: blameOf({ verdict: verdictOf(classed), runs: classed }) }
}

interface Looked {
  known: RunResult[]
  hold: Hold | undefined
}

async function look({ claim }: Attempt, settled: Tested, runs: RunResult[]): Promise<Looked> {
  const known = classifyAtOnce({ plan: settled.plan, runs })
  return { known, hold: await openHold({ build: claim.build, ...settled, runs: known }) }
}

/** Its patches are compared with each other first. */
async function lookAtSeries({ workshop, claim }: Attempt, { plan, request }: Tested, runs: RunResult[]): Promise<Looked> {
  const { blamePatches, openSeriesHold } = await import('./blame-series.ts')
  const known = blamePatches(plan, runs)
  return { known, hold: await openSeriesHold(workshop.home, { build: claim.build, request, plan, runs: known }) }
}
