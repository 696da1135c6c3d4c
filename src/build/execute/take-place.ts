import { buildName } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import type { Attempt } from '../attempt.ts'
import { ownerOf } from './trees.ts'

/**
 * Waits until a run may execute: for its turns, then for a slot where it takes one. Resolves with the call that gives all
 * back; with undefined as soon as the build is stopped, since others may hold what it waits for, for hours.
 */
export function takePlace(attempt: Attempt, run: PlannedRun, { runs, slot }: { runs: PlannedRun[]; slot: boolean }): Promise<(() => void) | undefined> {
  const { signal, aborted } = attempt.stop
  return new Promise((resolve) => {
    void aborted.then(() => resolve(undefined))
    void inTurn(attempt, run, { runs, slot }).then((giveBack) => {
      // What comes too late is the next one's.
      if (signal.aborted) giveBack()
      resolve(signal.aborted ? undefined : giveBack)
    })
  })
}

async function inTurn(attempt: Attempt, run: PlannedRun, { runs, slot }: { runs: PlannedRun[]; slot: boolean }): Promise<() => void> {
  attempt.firstPlace.ask()
  const endTurns = await takeTurns(attempt, run, runs)
  const giveSlot = slot ? await attempt.takeSlot() : () => {}
  attempt.firstPlace.take()
  const atWork = attempt.allowance.begin()
  return () => {
    atWork()
    giveSlot()
    endTurns()
  }
}

/**
 * Runs of one group go one after the other, over all builds, and so do those that work in one tree, whomever they have it
 * from. A build that has to wait for others keeps nobody from being claimed.
 */
async function takeTurns({ workshop, claim, leaveSeat }: Attempt, run: PlannedRun, runs: PlannedRun[]): Promise<() => void> {
  const keys = [...(run.group === undefined ? [] : [`group ${run.group}`]), ...(typeof run.workspace === 'object' ? [`tree ${buildName(claim.build)} ${ownerOf(run.name, runs)}`] : [])]
  if (keys.some((key) => workshop.turns.isTaken(key))) leaveSeat()
  const ends: (() => void)[] = []
  for (const key of keys) ends.push(await workshop.turns.wait(key))
  return () => ends.forEach((end) => end())
}
