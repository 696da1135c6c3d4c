import { removeLeftGroups } from './limit-group.ts'
import { killMarked } from './processes.ts'

/**
 * Ends what a dead builder of this home left running, found by the mark in the processes' environment.
 * To be called under the builder's lock, before an interrupted entry is built again.
 * @returns how many processes it killed
 */
export async function endLeftovers(homeId: string): Promise<number> {
  const killed = await killMarked(homeId)
  removeLeftGroups(homeId)
  return killed
}
