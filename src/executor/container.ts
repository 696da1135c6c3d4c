import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { bounded } from './bounded.ts'
import { serviceAddresses } from './build-network.ts'
import { createOptions } from './container-options.ts'
import { containerName, isGone, removeContainer } from './containers.ts'
import { howItEnded } from './ending.ts'
import { copyIn, copyOut } from './engine-copies.ts'
import { type Engine, type EngineSettings, findEngine } from './engine.ts'
import type { Ending, Execution, Executor } from './executor.ts'
import { asStranger } from './hand-over.ts'
import { isRoot } from './is-root.ts'
import { type Luggage, packLuggage } from './pack-luggage.ts'
import { send } from './processes.ts'
import { runTree, type Tree } from './run-tree.ts'
import { showShared } from './show-shared.ts'

/** Milliseconds between two tries to tell a container to end that takes no word. */
const tellingPause = 100

/** Milliseconds after which an engine that does not end a container is listened to no longer: to remove a container ends it, too. */
const killTime = 1000

/** Milliseconds in which a workspace is copied back from an engine's host, beyond what the run may take. */
const copyTime = 10 * 60 * 1000

/** Said on the console: a script that ends with 127 of its own has called a command that is not there. */
const noBash = 'quern: the image has no bash, which executes the script'

export interface ContainerSettings extends EngineSettings {
  /** Whether images that are not here are fetched; one that is here is never fetched again. */
  pull: 'missing' | 'never'
  /** `auto` for a user of the run's own, or what --user takes: a name or number of the image's. */
  user: string
}

/**
 * A container of podman or docker, driven by their command line: create, start, inspect, rm. It has a name that follows
 * from the run and is removed by it, whatever happened: killing the command line would leave the container running.
 */
export function openContainer(settings: ContainerSettings): Executor {
  return {
    execute: async (given, signal) => {
      const engine = findEngine(settings)
      if (typeof engine === 'string') return { verdict: 'errored', reason: engine }
      // A remote engine sees no directory of this host. Below /quern, which is read-only, no place could be made for it.
      const execution = engine.remote ? bounded(given) : showShared(bounded(given), '/quern-shared')
      if (execution.image === undefined) return { verdict: 'errored', reason: 'the run names no image, and a container needs one: give its job an image, or the executor sandbox' }
      if (signal.aborted) return { verdict: 'cancelled' }
      try {
        const work = (user: string[]) => inContainer({ engine, execution, signal, pull: settings.pull, user })
        return await withUser(engine, settings.user, execution.workspace, work)
      } catch (error) {
        return { verdict: signal.aborted ? 'cancelled' : 'errored', reason: (error as Error).message }
      }
    },
  }
}

/**
 * As root locally, a stranger that is handed the workspace; otherwise the builder's own user, whose files stay its own. On
 * another host root without any of its rights, to whom the copy of the workspace belongs, whatever user the image names.
 */
function withUser(engine: Engine, user: string, workspace: string, work: (user: string[]) => Promise<Ending>): Promise<Ending> {
  if (user !== 'auto') return work(['--user', user])
  if (engine.remote) return work(['--user', '0:0'])
  if (isRoot()) return asStranger(workspace, (uid) => work(['--user', `${uid}:${uid}`]))
  if (process.getuid === undefined) return work([])
  return work([...(engine.name === 'podman' ? ['--userns', 'keep-id'] : []), '--user', `${process.getuid()}:${process.getgid!()}`])
}

interface Parts {
  engine: Engine
  execution: Execution
  signal: AbortSignal
  pull: 'missing' | 'never'
  user: string[]
}

async function inContainer(parts: Parts): Promise<Ending> {
  const { engine, execution } = parts
  const name = containerName(execution.id)
  const luggage = packLuggage(execution)
  const ending = await fromCreation(parts, name, luggage).catch((error: Error): Ending => ({ verdict: 'errored', reason: error.message }))
  try {
    await removeContainer(engine, name, parts.signal)
    return ending
  } catch (error) {
    // What stays may still be at work, so this is no ending: the workspace is not taken back from it.
    throw new Error(`${ending.reason ?? `the script ${ending.verdict}`}; ${(error as Error).message}`, { cause: error })
  } finally {
    rmSync(luggage.private, { recursive: true, force: true })
  }
}

async function fromCreation(parts: Parts, name: string, luggage: Luggage): Promise<Ending> {
  const { engine, execution, signal } = parts
  const { limits } = execution
  // To fetch an image may take as long as a run: what it takes, the script does not have.
  const end = performance.now() + limits.timeout
  const patience = AbortSignal.timeout(limits.timeout)
  const before = AbortSignal.any([signal, patience])
  const created = await create(parts, name, luggage, before)
  const problem = created.problem ?? (engine.remote ? await copyIn(engine, name, execution, { shown: luggage.shown, user: parts.user[1]!, signal: before }) : undefined)
  if (signal.aborted) return { verdict: 'cancelled' }
  if (problem !== undefined && patience.aborted) return { verdict: 'timed-out', reason: `${created.problem === undefined ? "copying its workspace to the engine's host" : `fetching the image ${execution.image}`} took longer than the run may` }
  if (problem !== undefined) return { verdict: 'errored', reason: problem }
  let lost: NodeJS.Signals | undefined
  const left = { ...execution, limits: { ...limits, timeout: Math.max(1, Math.round(end - performance.now())) } }
  const over = new AbortController()
  const ending = await runTree({ ...attachedStart(engine, name, over.signal), notes: created.notes, lost: (killer) => void (lost = killer) }, left, signal)
  over.abort()
  const settled = await settle(engine, name, { ending, lost }, execution)
  // Of an engine that could not be asked there is nothing to be had either, and why is what is to be told. Nor is there time where somebody waits for the end.
  if (!engine.remote || settled.verdict === 'errored' || signal.aborted) return settled
  await copyOut(engine, name, execution, AbortSignal.any([signal, AbortSignal.timeout(copyTime)]))
  return settled
}

/** @returns why there is no container, or what it does not have that was asked for */
async function create({ engine, execution, pull, user }: Parts, name: string, luggage: Luggage, stop: AbortSignal): Promise<{ problem?: string; notes: string[] }> {
  const services = typeof execution.network === 'object' ? await serviceAddresses(engine, execution.network.name) : []
  const options = [...createOptions(engine, execution, luggage.shown), ...services, ...user, '--name', name, '--pull', pull]
  // The shell is process 1, which is deaf to signals it has no trap for, and bash its child: a script's `kill $$` works.
  const command = ['--entrypoint', '/bin/sh', execution.image!, '-c', `command -v bash > /dev/null || { echo '${noBash}'; exit 127; }; . /quern/environment.sh; ("$@" 2>&1); exit $?`, 'sh', 'bash', '/quern/script.sh']
  const make = () => engine.runUntil({ signal: stop, mark: execution.id }, 'create', ...options, ...command)
  let made = await make()
  if (!made.ok && /already in use/i.test(made.stderr)) {
    await removeContainer(engine, name)
    made = await make()
  }
  return made.ok ? { notes: notHeld(engine, made.stderr) } : { problem: whyNotCreated(engine, execution.image!, pull, made.stderr), notes: [] }
}

/** Limits that the host's control groups do not allow an engine to set are only warned of, and the container is made without. */
function notHeld({ name }: Engine, stderr: string): string[] {
  const warnings = stderr.split('\n').filter((line) => /limits?\b.*\b(?:ignored|discarded)/i.test(line))
  return warnings.map((line) => `${name} does not hold its limits: ${line.trim().slice(0, 300).replace(/\.$/, '')}`)
}

function whyNotCreated({ name }: Engine, image: string, pull: string, stderr: string): string {
  const words = stderr.split('\n').filter(Boolean).slice(-3).join('; ').slice(0, 500)
  const noImage = /no such image|image not known|manifest unknown|pull access denied|unable to find image|short-name|repository does not exist|initializing source/i.test(stderr)
  if (!noImage) return `making a container of the image ${image} with ${name}: ${words}`
  return `the image ${image} is not here${pull === 'never' ? ' and is not fetched (CONTAINER_PULL=never)' : ' and could not be fetched'}: try "${name} pull ${image}" as the builder's user (${words})`
}

function attachedStart(engine: Engine, name: string, over: AbortSignal): Omit<Tree, 'notes'> {
  return {
    command: [...engine.command, 'start', '--attach', name],
    directory: '/',
    env: engine.environment,
    holders: 2,
    // The engine would ask process 1 only; a shell inside reaches all others.
    stop: {
      ask: () => void insist(engine, ['exec', name, '/bin/sh', '-c', 'kill -TERM -1'], over),
      kill: (first) => {
        void insist(engine, ['kill', '--signal', 'KILL', name], over)
        void sleep(killTime, undefined, { signal: over }).then(() => send('SIGKILL', first), () => undefined)
      },
    },
  }
}

/** Until the container has taken it, or is gone: one that is just starting takes nothing yet, and an engine whose host is gone never answers. */
async function insist(engine: Engine, command: string[], over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const { ok, stderr } = await engine.runUntil({ signal: over }, ...command)
    if (ok || isGone(stderr)) return
    await sleep(tellingPause, undefined, { signal: over }).catch(() => undefined)
  }
}

/** What the engine knows of the end; its command line's exit code is not always the script's. */
async function settle(engine: Engine, name: string, { ending, lost }: { ending: Ending; lost: NodeJS.Signals | undefined }, { limits }: Execution): Promise<Ending> {
  if (ending.verdict === 'cancelled' || ending.verdict === 'timed-out') return ending
  const { ok, stdout, stderr } = await engine.run('inspect', '--format', '{{.State.StartedAt}}|{{.State.ExitCode}}|{{.State.OOMKilled}}|{{.State.Running}}', name)
  const [started, exit, outOfMemory, running] = stdout.split('|')
  // With it the container was ended, whatever the script was about to say.
  if (lost !== undefined) return { verdict: 'errored', reason: `${engine.name} start --attach was ended by ${lost}, and the script with it` }
  if (!ok || started === undefined) return { verdict: 'errored', reason: `asking ${engine.name} how the container ended: ${stderr}` }
  if (started.startsWith('0001-')) return { ...ending, verdict: 'errored', reason: ending.reason ?? `${engine.name} did not start the container` }
  // Its exit code is 0 until it ends: a daemon that was restarted, or a connection that broke, says nothing of the script.
  if (running === 'true') return { verdict: 'errored', reason: `${engine.name} start --attach ended while the container ran on: ${ending.reason ?? 'its daemon was restarted, or the connection to it broke'}` }
  const code = Number(exit)
  const told: Ending = { verdict: code === 0 ? 'passed' : 'failed', ...howItEnded(code), ...(ending.notes && { notes: ending.notes }) }
  if (outOfMemory === 'true' || (code === 137 && limits.memory !== undefined)) told.reason = `it was killed; its limit is ${Math.round(limits.memory! / 1024 / 1024)} MiB of memory`
  return told
}
