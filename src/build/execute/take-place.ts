import { buildName } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import type { Attempt } from '../attempt.ts'
import type { Groups } from './groups.ts'
import { ownerOf } from './trees.ts'

interface Wanted {
  runs: PlannedRun[]
  slot: boolean
  groups: Groups
}

/**
 * Waits until a run may execute: for its turns, then for a slot where it takes one. Resolves with the call that gives all
 * back; with undefined as soon as the build is stopped, since others may hold what it waits for, for hours.
 */
export function takePlace(attempt: Attempt, run: PlannedRun, { runs, slot, groups }: Wanted): Promise<(() => void) | undefined> {
  const { signal, aborted } = attempt.stop
  return new Promise((resolve) => {
    void aborted.then(() => resolve(undefined))
    void inTurn(attempt, run, { runs, slot, groups }).then((giveBack) => {
      // What comes too late is the next one's.
      if (signal.aborted) giveBack()
      resolve(signal.aborted ? undefined : giveBack)
    })
  })
}

async function inTurn(attempt: Attempt, run: PlannedRun, { runs, slot, groups }: Wanted): Promise<() => void> {
  attempt.firstPlace.ask()
  const endTurns = await takeTurns(attempt, run, { runs, groups })
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
async function takeTurns({ workshop, claim, leaveSeat }: Attempt, run: PlannedRun, { runs, groups }: Omit<Wanted, 'slot'>): Promise<() => void> {
  const waits = [
    ...(run.group === undefined ? [] : [{ key: run.group, turns: groups }]),
    ...(typeof run.workspace === 'object' ? [{ key: `tree ${buildName(claim.build)} ${ownerOf(run.name, runs)}`, turns: workshop.turns }] : []),
  ]
  if (waits.some(({ key, turns }) => turns.isTaken(key))) leaveSeat()
  const ends: (() => void)[] = []
  for (const { key, turns } of waits) ends.push(await turns.wait(key))
  return () => ends.forEach((end) => end())
}
