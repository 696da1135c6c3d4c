import type { Blame, RunResult } from '../model/build.ts'
import { verdictOf } from '../model/build.ts'
import type { Attempt } from './attempt.ts'
import { blameOf, classifyAtOnce, isCompared, openHold, withClasses } from './blame.ts'
import type { Hold } from './hold.ts'
import { lookUp, withAuthors } from './pursue.ts'
import type { Settled } from './workshop.ts'

/**
 * Gives the failures of a build their classes, as far as stored verdicts tell them. Where another commit must be built
 * first, the hold says what is asked.
 */
export async function blameFailures({ workshop, claim, record }: Attempt, settled: Pick<Settled, 'plan' | 'request' | 'origin'>, runs: RunResult[]): Promise<{ runs: RunResult[]; blame?: Blame | undefined; hold?: Hold }> {
  // The patches of a series were compared with each other while it was executed.
  if (settled.plan.series !== undefined) return { runs, blame: blameOf({ verdict: verdictOf(runs), runs }) }
  if (!workshop.blame.compare || !isCompared(settled)) return { runs }
  const known = classifyAtOnce({ plan: settled.plan, runs })
  const hold = await openHold({ build: claim.build, ...settled, runs: known })
  if (hold !== undefined && (await lookUp(workshop, hold)) !== undefined) {
    record.say(`Whose the failure is waits for the verdict on ${hold.parent}, the parent; nobody is told before.`)
    return { runs: known, hold }
  }
  const classed = await withAuthors(workshop, hold, withClasses(known, hold))
  return { runs: classed, blame: blameOf({ verdict: verdictOf(classed), runs: classed }) }
}
