import type { PlannedRun } from './plan.ts'

/** The network that a run by itself may use: its own loopback, this host's, or the outside world without this host. A container is on none of this host, whatever the word. */
export function networkOf({ executor, network }: Pick<PlannedRun, 'executor' | 'network'>, trusted: boolean): 'none' | 'host' | 'isolated' {
  if (executor === 'shell') return 'host'
  return !network ? 'none' : trusted ? 'host' : 'isolated'
}

/** Where a run and a service find each other: both are in the same place, or they do not. */
export type MeetingPlace = 'containers' | ReturnType<typeof networkOf>

/**
 * The meeting place of each run of a plan. Containers have one network, which leads out where the services may; one that
 * may not, while they may, is left out of it, and of every place.
 */
export function meetingPlaces(runs: PlannedRun[], trusted: boolean): (run: PlannedRun) => MeetingPlace | undefined {
  const contained = runs.filter((run) => run.service && run.executor === 'container')
  const outwards = contained.some((run) => run.network)
  return (run) => {
    if (run.executor !== 'container') return networkOf(run, trusted)
    return run.service || (contained.length > 0 && run.network === outwards) ? 'containers' : undefined
  }
}

/** Tells the services that a run needs, directly or through others. The plan is checked: every need exists and there is no circle. */
export function neededServices(runs: PlannedRun[]): (run: Pick<PlannedRun, 'needs'>) => PlannedRun[] {
  const byName = new Map(runs.map((run) => [run.name, run]))
  const known = new Map<string, Set<PlannedRun>>()
  // Each run is looked at once: plans have thousands, with as many needs.
  const through = (name: string): Set<PlannedRun> => {
    const run = byName.get(name)!
    const found = known.get(name) ?? gather(run, run.service ? [run] : [])
    known.set(name, found)
    return found
  }
  const gather = ({ needs }: Pick<PlannedRun, 'needs'>, own: PlannedRun[]) => {
    const found = new Set(own)
    for (const name of needs) for (const service of through(name)) found.add(service)
    return found
  }
  return (run) => [...gather(run, [])]
}
