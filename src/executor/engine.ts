import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { writeAtomically } from '../disk/write.ts'
import { findProgram } from './find-program.ts'
import { isRoot } from './is-root.ts'

export interface EngineSettings {
  /** Which command line drives containers; auto takes podman, else docker. */
  engine: 'auto' | 'podman' | 'docker'
  /** Options before every command, such as --root or --runtime. */
  engineOptions: string[]
  /** What the engine's command line itself gets: PATH, HOME, XDG_RUNTIME_DIR, DOCKER_HOST and the like; never a run's environment. */
  engineEnvironment: Record<string, string>
  /** Path of a file that is there while something of this home may be left with the engine, which could not be asked to remove it. */
  left?: string
}

/** A container engine's command line. */
export interface Engine {
  name: 'podman' | 'docker'
  /** The program and the options that stand before every command. */
  command: string[]
  environment: Record<string, string>
  /** It runs on another machine, which sees no directory of this one. */
  remote: boolean
  /** Options of `create` without which containers do not start on this host. */
  createOptions: string[]
  /** Keeps in mind whether something is left with it, which the next builder is to remove. */
  noteLeft(something: boolean): void
  /** Runs one command that takes a moment, its output at most 1 MiB: an engine whose host is gone may never answer. */
  run(...options: string[]): Promise<Answer>
  /**
   * The same, for one that may take long: its command line is ended when the signal is aborted. It carries the mark of a run,
   * by which it is found and ended where the builder was killed. What it prints goes to `output`
   * where that is given, and what it reads is written to what `input` is given, by another program.
   */
  runUntil(until: { signal: AbortSignal; mark?: string; input?: (to: Writable) => void; output?: Writable }, ...options: string[]): Promise<Answer>
}

/** Milliseconds that an engine has to answer where nothing else is said. */
const answerTime = 2 * 60 * 1000

interface Answer {
  ok: boolean
  stdout: string
  stderr: string
}

/** The engine that these settings mean here. @returns a sentence with the remedy where it is not installed */
export function findEngine({ engine, engineOptions, engineEnvironment, left }: EngineSettings): Engine | string {
  const names = engine === 'auto' ? (['podman', 'docker'] as const) : [engine]
  const name = names.find((candidate) => findProgram(candidate) !== undefined)
  if (name === undefined) return `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} not installed here: apt-get install ${names[0] === 'docker' ? 'docker.io' : 'podman'}`
  const remote = isRemote(name, engineOptions, engineEnvironment)
  const command = [findProgram(name)!, ...(name === 'podman' && !remote ? podmanOptions(engineOptions) : []), ...engineOptions]
  return {
    name,
    command,
    environment: engineEnvironment,
    remote,
    createOptions: ulimits(),
    noteLeft: (something) => {
      if (left === undefined) return
      if (something) writeAtomically(left, '')
      else rmSync(left, { force: true })
    },
    run: (...options) => runEngine([...command, ...options], engineEnvironment, { signal: AbortSignal.timeout(answerTime) }),
    runUntil: ({ mark, ...until }, ...options) => runEngine([...command, ...options], { ...engineEnvironment, ...(mark !== undefined && { QUERN_RUN: mark }) }, until),
  }
}

/** Whether another machine is meant, by an option, a variable or a context of docker's. What podman calls a connection is one. */
function isRemote(name: Engine['name'], options: string[], environment: Record<string, string>): boolean {
  const { DOCKER_HOST, CONTAINER_HOST } = environment
  const hosts = [DOCKER_HOST, CONTAINER_HOST, valueOf(options, ['-H', '--host', '--url'])].filter(Boolean)
  if (hosts.length === 0 && name === 'docker') hosts.push(hostOfContext(valueOf(options, ['-c', '--context']), environment))
  if (name === 'podman' && options.some((option) => /^(?:-r|--remote|-c|--connection)(?:=|$)/.test(option))) return true
  return hosts.some((host) => host !== undefined && !/^(?:unix|npipe):/.test(host))
}

function valueOf(options: string[], names: string[]): string | undefined {
  const at = options.findIndex((option) => names.some((name) => option === name || option.startsWith(`${name}=`)))
  return at < 0 ? undefined : (/=(.*)/.exec(options[at]!)?.[1] ?? options[at + 1])
}

/** As docker keeps it: https://docs.docker.com/engine/manage-resources/contexts/ */
function hostOfContext(given: string | undefined, { DOCKER_CONTEXT, DOCKER_CONFIG, HOME = '/' }: Record<string, string>): string | undefined {
  const directory = DOCKER_CONFIG ?? join(HOME, '.docker')
  try {
    const name = given || DOCKER_CONTEXT || (JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as { currentContext?: string }).currentContext
    if (name === undefined || name === 'default') return undefined
    const meta = readFileSync(join(directory, 'contexts/meta', createHash('sha256').update(name).digest('hex'), 'meta.json'), 'utf8')
    return (JSON.parse(meta) as { Endpoints?: { docker?: { Host?: string } } }).Endpoints?.docker?.Host
  } catch {
    // No such context, or none at all: docker itself says so.
    return undefined
  }
}

/** crun refuses hybrid control groups, and podman's choice of systemd as their manager needs a running systemd; runc with cgroupfs works there. */
function podmanOptions(given: string[]): string[] {
  const unified = existsSync('/sys/fs/cgroup/cgroup.controllers')
  if (unified || findProgram('runc') === undefined || given.includes('--runtime')) return []
  return ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs']
}

/** Root without CAP_SYS_RESOURCE, as inside a container, may not raise limits to what engines set by default. */
function ulimits(): string[] {
  if (!isRoot() || !existsSync('/proc/self/status')) return []
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 'ffffffffff'}`)
  return (capabilities & (1n << 24n)) === 0n ? ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'] : []
}

function runEngine([program, ...options]: string[], env: Record<string, string>, { signal, input, output }: { signal: AbortSignal; input?: (to: Writable) => void; output?: Writable }): Promise<Answer> {
  return new Promise((resolve) => {
    const child = spawn(program!, options, { env, stdio: [input === undefined ? 'ignore' : 'pipe', output ?? 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' })
    if (child.stdin) input?.(child.stdin)
    // Programs have these now; here they would keep the other end open.
    for (const handedOn of [child.stdin, output]) handedOn?.destroy()
    const texts = { stdout: '', stderr: '' }
    child.on('error', (error) => resolve({ ok: false, stdout: '', stderr: error.message }))
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (chunk: Buffer) => {
        if (texts[name].length < 1024 * 1024) texts[name] += chunk.toString()
      })
    }
    child.on('close', (code) => resolve({ ok: code === 0, stdout: texts.stdout.trim(), stderr: texts.stderr.trim() }))
  })
}
