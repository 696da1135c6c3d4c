import { existsSync } from 'node:fs'
import type { EngineSettings } from './engine.ts'
import { killMarked } from './processes.ts'
import { removeTemporary } from './temporary.ts'

/**
 * Ends what a dead builder of this home left running: its containers by their label, its processes by the mark in their
 * environment, its empty control groups, and what dead builders left among the temporary files. To be called under the builder's lock, before an interrupted entry is built again.
 * @param engine where containers may be left; asking an engine takes a tenth of a second
 * @returns how many processes and containers it ended
 */
export async function endLeftovers(homeId: string, engine?: EngineSettings): Promise<number> {
  // First who may be making a container: one that still fetches its image has none that could be found.
  const processes = await killMarked(homeId)
  const containers = engine === undefined ? 0 : await (await import('./containers.ts')).endLeftContainers(homeId, engine)
  const { removeLeftGroups } = await import('./limit-group.ts')
  removeLeftGroups(homeId)
  removeTemporary()
  return containers + processes
}

/** Removes what an engine that was away could not be asked to remove. What it still cannot is no reason to build nothing. */
export async function endMissed(homeId: string, engine: EngineSettings): Promise<void> {
  if (engine.left === undefined || !existsSync(engine.left)) return
  await (await import('./containers.ts')).endLeftContainers(homeId, engine).catch(() => undefined)
}
