import type { Execution } from '../executor/executor.ts'
import { buildName } from '../model/build.ts'
import type { PlannedRun } from '../model/plan.ts'
import { isTrusted } from '../model/request.ts'
import type { Attempt } from './attempt.ts'
import type { Settled } from './workshop.ts'

/** What the runs of a build may reach, and how they find the services among them. */
export interface ServiceNetwork {
  of(run: PlannedRun): Promise<Pick<Execution, 'network' | 'alias' | 'beside'>>
  remove(): Promise<void>
}

/**
 * Containers find a service by its name on a network that is made for the build when the first of them starts, and
 * removed at its end. It leads out where the services may; a container that may not, while they may, is not on it.
 * In the sandbox services of trusted requests listen on this host's loopback, under their names.
 */
export function openServiceNetwork({ workshop, claim }: Attempt, { plan, request }: Settled): ServiceNetwork {
  const services = plan.runs.filter((run) => run.service)
  const contained = services.filter((run) => run.executor === 'container')
  const outwards = contained.some((run) => run.network)
  let made: ReturnType<typeof workshop.makeNetwork> | undefined
  return {
    async of({ name, executor, network, service, patch }) {
      const plain = !network ? 'none' : isTrusted(request) ? 'host' : 'isolated'
      const beside = services.filter((one) => one.executor === 'sandbox').map((one) => one.name)
      if (executor !== 'container' || contained.length === 0 || (network !== outwards && !service)) return { network: plain, ...(beside.length > 0 && { beside }) }
      made ??= workshop.makeNetwork(`${workshop.homeId}/${buildName(claim.build)}`, { inwards: !outwards })
      return { network: { name: (await made).name }, ...(service && { alias: patch?.run ?? name }) }
    },
    async remove() {
      // Where it could not be made, its runs have said so.
      const network = await made?.catch(() => undefined)
      await network?.remove()
    },
  }
}
