import type { PlannedRun } from '../../model/plan.ts'
import { openTurns, type Turns } from '../turns.ts'

/** The turns of a build's runs in their groups. */
export interface Groups {
  /** Resolves when it is this group's turn, with the call that ends it. */
  wait(group: string): Promise<() => void>
  /** Whether it is somebody's turn, so that one would have to wait. */
  isTaken(group: string): boolean
  /** No run of the build wants a turn any more. */
  giveBack(): void
}

/**
 * A service has its turn until its build is over. Two builds with services would wait for each other for ever, each for a group
 * in which the other has its turn: so a plan with a service in a group takes the groups of all its runs together, in an
 * order that is the same for every build, and its runs take turns among themselves.
 */
export function openGroups(turns: Turns, runs: PlannedRun[]): Groups {
  if (!runs.some(({ service, group }) => service && group !== undefined)) return { wait: (group) => turns.wait(keyOf(group)), isTaken: (group) => turns.isTaken(keyOf(group)), giveBack: () => {} }
  const all = [...new Set(runs.flatMap(({ group }) => group ?? []))].map(keyOf).toSorted()
  const own = openTurns()
  const ends: (() => void)[] = []
  let held: Promise<void> | undefined
  let over = false
  return {
    async wait(group) {
      await (held ??= takeAll())
      return own.wait(group)
    },
    isTaken: (group) => (held === undefined ? all.some(turns.isTaken) : own.isTaken(group)),
    giveBack() {
      over = true
      for (const end of ends) end()
    },
  }

  async function takeAll(): Promise<void> {
    for (const key of all) {
      const end = await turns.wait(key)
      // Of a build that was cancelled meanwhile; what it has already went to others.
      if (over) return end()
      ends.push(end)
    }
  }
}

function keyOf(group: string): string {
  return `group ${group}`
}
