import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, type EngineSettings, findEngine } from './engine.ts'

/** How often, a second apart, an engine that cannot be reached is asked again to remove something: a daemon that is restarted is away for a while. */
const mostAttempts = 30

/** Ids hold slashes and any text; names of containers and networks do not. */
export function containerName(id: string): string {
  return `quern-${createHash('sha256').update(id).digest('hex').slice(0, 20)}`
}

/** The home id that the id of a run or build begins with. */
export function homeOf(id: string): string {
  return id.split('/')[0]!
}

/** Ends and removes containers and networks of a home that a dead builder left. @returns how many containers */
export async function endLeftContainers(homeId: string, settings: EngineSettings): Promise<number> {
  const engine = findEngine(settings)
  if (typeof engine === 'string') return 0
  const { stdout } = await engine.run('ps', '--all', '--quiet', '--filter', `label=quern.home=${homeId}`)
  const left = stdout.split('\n').filter(Boolean)
  for (const container of left) await removeContainer(engine, container)
  const networks = await engine.run('network', 'ls', '--quiet', '--filter', `label=quern.home=${homeId}`)
  for (const network of networks.stdout.split('\n').filter(Boolean)) await engine.run('network', 'rm', network)
  return left.length
}

/** With its anonymous volumes, at once. One that was never made is fine. @throws where the engine cannot remove it */
export async function removeContainer(engine: Engine, name: string): Promise<void> {
  const { ok, stderr } = await onceReached(engine, ['rm', '--force', ...(engine.name === 'podman' ? ['--time', '0'] : []), '--volumes', name])
  if (!ok && !isGone(stderr)) throw new Error(`removing the container ${name} with ${engine.name}: ${stderr}`)
}

/** What is left behind where an engine was just not there would stay for good. */
export async function onceReached(engine: Engine, command: string[]): ReturnType<Engine['run']> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await engine.run(...command)
    if (answer.ok || attempt === mostAttempts || !/cannot connect|connection re(?:fused|set)|error during connect|unable to connect/i.test(answer.stderr)) return answer
    await sleep(1000)
  }
}

/** Whether the engine says that it knows no such container. */
export function isGone(stderr: string): boolean {
  return /no such container|no container with/i.test(stderr)
}
