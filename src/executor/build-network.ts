import { containerName, onceReached } from './containers.ts'
import { type Engine, type EngineSettings, findEngine } from './engine.ts'
import { homeOf } from './execution-id.ts'
import type { BuildNetwork } from './executor.ts'

/** A network of a build, on which services answer by their `alias`; `inwards` where it does not lead out. Once `stop` is aborted, removing it takes seconds at most. @throws where the engine makes none */
export async function createNetwork(buildId: string, { inwards, stop, ...settings }: EngineSettings & { inwards: boolean; stop?: AbortSignal }): Promise<BuildNetwork> {
  const engine = findEngine(settings)
  if (typeof engine === 'string') throw new Error(engine)
  const name = containerName(buildId)
  const { ok, stderr } = await engine.run('network', 'create', ...(inwards ? ['--internal'] : []), '--label', `quern.home=${homeOf(buildId)}`, name)
  if (!ok && !/already exists/i.test(stderr)) throw new Error(`making a network for the services of ${buildId} with ${engine.name}: ${stderr}`)
  const remove = async () => {
    if (!(await onceReached(engine, ['network', 'rm', name], stop)).ok) engine.noteLeft(true)
  }
  return { reach: { network: { name } }, remove }
}

/**
 * Options of `create` that let a container find by name what runs on the network already. Engines answer names there
 * themselves, but podman only with a plugin (dnsname, aardvark) that many systems lack.
 */
export async function serviceAddresses(engine: Engine, network: string): Promise<string[]> {
  const running = (await engine.run('ps', '--quiet', '--filter', `network=${network}`)).stdout.split('\n').filter(Boolean)
  if (running.length === 0) return []
  const format = '{{index .Config.Labels "quern.alias"}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'
  const { stdout } = await engine.run('inspect', '--format', format, ...running)
  return stdout.split('\n').flatMap((line) => {
    const [alias, address] = line.trim().split(/\s+/)
    return alias !== undefined && address !== undefined && /^[\d.]+$/.test(address) ? ['--add-host', `${alias}:${address}`] : []
  })
}
