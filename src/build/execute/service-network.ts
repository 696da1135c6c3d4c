import type { BuildNetwork, Execution } from '../../executor/executor.ts'
import { buildName } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import { isTrusted } from '../../model/request.ts'
import { meetingPlaces, neededServices, networkOf } from '../../model/services.ts'
import type { Attempt } from '../attempt.ts'
import type { Settled } from '../workshop.ts'

/** What the runs of a build may reach, and how they find the services among them. */
export interface ServiceNetwork {
  of(run: PlannedRun): Promise<Pick<Execution, 'network' | 'namespace' | 'alias' | 'beside'>>
  remove(): Promise<void>
}

/**
 * Runs find a service by its name on the network that both are on. This host's is there; others are made for the build
 * when the first of their services starts, and removed at its end: one of the containers, one of sandboxes without
 * network, and one of sandboxes that this server granted the outside world. A run that needs no service is on none of them.
 */
export function openServiceNetwork(attempt: Attempt, { plan: { runs }, request }: Settled): ServiceNetwork {
  const trusted = isTrusted(request)
  const services = runs.filter((run) => run.service)
  if (services.length === 0) return { of: async (run) => ({ network: networkOf(run, trusted) }), remove: async () => {} }
  const servicesOf = neededServices(runs)
  const placeOf = meetingPlaces(runs, trusted)
  const networks = openNetworks(attempt, services)
  const isNear = (run: PlannedRun) => (service: PlannedRun) => placeOf(service) === placeOf(run)
  return {
    async of(run) {
      tellStrangers(attempt, run, services.filter((service) => run.needs.includes(service.name) && !isNear(run)(service)))
      const network = networkOf(run, trusted)
      if (placeOf(run) === 'containers') return { ...(await networks.join('container', network)), ...(run.service && { alias: hostName(run) }) }
      const beside = (run.service ? services : servicesOf(run)).filter(isNear(run)).map(hostName)
      if (run.executor === 'container' || beside.length === 0) return { network }
      return { ...(network === 'host' ? { network } : await networks.join('sandbox', network)), beside }
    },
    remove: networks.remove,
  }
}

/** The name by which a service is known: in a series, every patch has one of the name. */
function hostName({ name, patch }: PlannedRun): string {
  return patch?.run ?? name
}

/** A job that waits for a service that it cannot reach may mean no harm, but the message of a client that finds no such host says too little. */
function tellStrangers({ record }: Attempt, { name, service }: PlannedRun, strangers: PlannedRun[]): void {
  if (service || strangers.length === 0) return
  record.say(`Run ${name} cannot reach ${strangers.map(hostName).join(', ')} by name: a service and the jobs that use it are all in containers or none of them is, and all have the network or none has.`)
}

interface Networks {
  join(executor: 'container' | 'sandbox', network: 'none' | 'host' | 'isolated'): Promise<BuildNetwork['reach']>
  remove(): Promise<void>
}

function openNetworks({ workshop, claim, stop }: Attempt, services: PlannedRun[]): Networks {
  const made = new Map<string, Promise<BuildNetwork>>()
  const outwards = services.some((run) => run.executor === 'container' && run.network)
  return {
    async join(executor, network) {
      const inwards = executor === 'container' ? !outwards : network === 'none'
      const key = `${executor} ${inwards}`
      const known = made.get(key) ?? workshop.makeNetwork(`${workshop.homeId}/${buildName(claim.build)}`, { executor, inwards, stop: stop.signal })
      made.set(key, known)
      return (await known).reach
    },
    async remove() {
      // Where one could not be made, its runs have said so.
      for (const network of made.values()) await (await network.catch(() => undefined))?.remove()
    },
  }
}
