import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, type EngineSettings, findEngine } from './engine.ts'

/** How often, a second apart, an engine that cannot be reached is asked again to remove something: a daemon that is restarted is away for a while. */
const mostAttempts = 30

/** Milliseconds after which an engine that is asked to remove something is taken for one that does not answer: it has gigabytes to remove. */
const removalTime = 5 * 60 * 1000

/** The same where somebody waits for the end: a builder that is stopped has 10 seconds, of which its runs had some. */
const shortRemovalTime = 2000

/** Ids hold slashes and any text; names of containers and networks do not. */
export function containerName(id: string): string {
  return `quern-${createHash('sha256').update(id).digest('hex').slice(0, 20)}`
}

/** Milliseconds in which an engine is to say what is left: where it does not, that is looked for again, and builds go on. */
const lookingTime = 20_000

/** Ends and removes containers and networks of a home that a dead builder left. What an engine that is away does not tell is noted, and the note removed by the time when all is. @returns how many containers */
export async function endLeftContainers(homeId: string, settings: EngineSettings): Promise<number> {
  const engine = findEngine(settings)
  if (typeof engine === 'string') return 0
  const labelled = ['--quiet', '--filter', `label=quern.home=${homeId}`]
  const signal = AbortSignal.timeout(lookingTime)
  const containers = await engine.runUntil({ signal }, 'ps', '--all', ...labelled)
  const left = containers.stdout.split('\n').filter(Boolean)
  for (const container of left) await removeContainer(engine, container)
  const networks = await engine.runUntil({ signal }, 'network', 'ls', ...labelled)
  const removed = await Promise.all(networks.stdout.split('\n').filter(Boolean).map((network) => engine.run('network', 'rm', network)))
  // One that this user may not use at all has nothing of this home.
  const wasAway = [containers, networks].some(({ ok, stderr }) => !ok && (signal.aborted || isAway(stderr)))
  engine.noteLeft(wasAway || removed.some(({ ok }) => !ok))
  return left.length
}

/** Whether an engine's command line says that the engine was not there. */
function isAway(stderr: string): boolean {
  return /cannot connect|connection re(?:fused|set)|error during connect|unable to connect/i.test(stderr)
}

/** With its anonymous volumes, at once. One that was never made is fine. @throws where the engine cannot remove it, or where that takes long and `stop` is aborted */
export async function removeContainer(engine: Engine, name: string, stop?: AbortSignal): Promise<void> {
  const { ok, stderr } = await onceReached(engine, ['rm', '--force', ...(engine.name === 'podman' ? ['--time', '0'] : []), '--volumes', name], stop)
  if (ok || isGone(stderr)) return
  engine.noteLeft(true)
  throw new Error(`removing the container ${name} with ${engine.name}: ${stderr}`)
}

/** What is left behind where an engine was just not there would stay for long. */
export async function onceReached(engine: Engine, command: string[], stop?: AbortSignal): ReturnType<Engine['run']> {
  const patience = withPatience(stop)
  try {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await engine.runUntil({ signal: patience.signal }, ...command)
      if (!answer.ok && patience.signal.aborted) return { ...answer, stderr: 'it gave no answer in time' }
      if (answer.ok || attempt === mostAttempts || !isAway(answer.stderr)) return answer
      await sleep(1000, undefined, { signal: patience.signal }).catch(() => undefined)
      if (patience.signal.aborted) return answer
    }
  } finally {
    patience.end()
  }
}

/** Aborted when removing takes too long: sooner, once it is asked to stop. */
function withPatience(stop?: AbortSignal): { signal: AbortSignal; end(): void } {
  const over = new AbortController()
  const timers = [setTimeout(() => over.abort(), removalTime)]
  const hurry = () => void timers.push(setTimeout(() => over.abort(), shortRemovalTime))
  if (stop?.aborted) hurry()
  else stop?.addEventListener('abort', hurry)
  return {
    signal: over.signal,
    end() {
      for (const timer of timers) clearTimeout(timer)
      stop?.removeEventListener('abort', hurry)
    },
  }
}

/** Whether the engine says that it knows no such container. */
export function isGone(stderr: string): boolean {
  return /no such container|no container with/i.test(stderr)
}
