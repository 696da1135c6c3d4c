import { existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { GitError, gitWords } from './git-error.ts'

/** How one git command is run. */
export interface GitOptions {
  /** What is being done, on what, for the error: `fetching https://…`. */
  doing: string
  /** The whole environment but for what this room adds; `gitWorld` picks it. */
  env: Record<string, string>
  cwd: string
  input?: string | Uint8Array
  signal?: AbortSignal | undefined
  /** Milliseconds. */
  timeout?: number
  /** Further `name=value` settings, stronger than the repository's. */
  config?: string[]
  /** Bytes that git, and each program that it starts, may allocate; unbounded where this host has no prlimit (util-linux). */
  memory?: number | undefined
  /** Transports that git may use, like `https`; none where absent. */
  protocols?: string[]
  /** A secret that git's words must not repeat. */
  token?: string | undefined
}

/** Milliseconds that a command may take, and the most that it may print, in bytes. */
const defaultTimeout = 10 * 60 * 1000
const mostOutput = 64 * 1024 * 1024

/** Milliseconds between SIGTERM, on which git removes its lock files, and SIGKILL. */
const grace = 2000

/**
 * Settings that a repository must not choose: each of these can start a program or leave the repository.
 * Given on the command line, they are stronger than any file.
 */
const hardened = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.untrackedCache=false',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.protectNTFS=true',
  'core.protectHFS=true',
  'core.pager=cat',
  'credential.helper=',
  'diff.external=',
  'protocol.ext.allow=never',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'commit.gpgSign=false',
  'log.showSignature=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
]

/**
 * Runs git with its hooks, monitors and helpers off and returns what it printed on stdout.
 * @throws {GitError} where it failed, ran out of time or printed too much
 * @throws the signal's reason where it was aborted; git and everything it started has ended then
 */
export async function runGit(args: string[], options: GitOptions): Promise<string> {
  const { execa } = await import('execa')
  options.signal?.throwIfAborted()
  const [command, ...before] = [...held(options.memory), 'git']
  const settings = [...hardened, ...(options.config ?? [])].flatMap((setting) => ['-c', setting])
  const child = execa(command!, [...before, ...settings, ...args], {
    cwd: options.cwd,
    env: gitEnvironmentOf(options),
    extendEnv: false,
    detached: true,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: mostOutput,
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
  })
  const limit = AbortSignal.timeout(options.timeout ?? defaultTimeout)
  const stop = AbortSignal.any(options.signal === undefined ? [limit] : [limit, options.signal])
  const finish = endGroupOn(stop, child.pid)
  const result = await child
  finish(result.failed)
  options.signal?.throwIfAborted()
  if (result.exitCode === 0 && !result.failed) return result.stdout
  throw new GitError(options.doing, { words: gitWords(result.stderr ?? '', options.token), code: result.exitCode, ...how(result, limit, options) })
}

/** Asks git a question whose "no" is an exit code: what it printed, or undefined for no. @throws {GitError} where it could not answer */
export async function askGit(args: string[], options: GitOptions): Promise<string | undefined> {
  try {
    return await runGit(args, options)
  } catch (error) {
    if (error instanceof GitError && (error.code === 1 || error.code === 128)) return undefined
    throw error
  }
}

/** The names that git and ssh need from the environment that Quern was started in: paths, the ssh agent, proxies and certificates. */
const needed = [
  'PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'SSH_AUTH_SOCK',
  'http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY',
  'SSL_CERT_FILE', 'SSL_CERT_DIR', 'GIT_SSL_CAINFO',
]

/** What of an environment git may see: no setting of Quern, no GIT_DIR of a hook that it was started from. */
export function gitWorld(environment: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(needed.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])))
}

function gitEnvironmentOf({ env, protocols = [] }: GitOptions): Record<string, string> {
  return {
    GIT_CONFIG_GLOBAL: '/dev/null',
    ...env,
    LANG: 'C',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    // A pushed refs/replace/ would show other files under a commit's name.
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_ALLOW_PROTOCOL: protocols.length === 0 ? 'none' : protocols.join(':'),
    GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o ConnectTimeout=30',
  }
}

function how(result: { exitCode?: number | undefined; isMaxBuffer: boolean; stderr?: string; signal?: string | undefined; code?: string | undefined }, limit: AbortSignal, options: GitOptions): { how?: string } {
  if (limit.aborted) return { how: `git took longer than ${(options.timeout ?? defaultTimeout) / 1000} seconds and was ended` }
  if (result.isMaxBuffer) return { how: `git printed more than ${mostOutput} characters and was ended` }
  // The same code tells of a directory that is missing and of a program.
  if (result.code === 'ENOENT' && !existsSync(options.cwd)) return { how: `there is no directory ${options.cwd}` }
  if (result.code === 'ENOENT') return { how: 'git is not on PATH; install git' }
  if (options.memory !== undefined && /out of memory/i.test(result.stderr ?? '')) return { how: `git needed more than the ${options.memory / 1024 ** 2} MiB of memory that it may take` }
  if (result.exitCode === undefined) return { how: result.signal === undefined ? `git could not be started there (${result.code})` : `git was ended by ${result.signal}` }
  return {}
}

/**
 * Git starts children (ssh, git-remote-https, index-pack): they are one process group, ended together when the signal
 * aborts. The function returned is called when git has ended; after a failure it ends what is left of the group.
 */
function endGroupOn(stop: AbortSignal, pid: number | undefined): (failed: boolean) => void {
  if (pid === undefined) return () => undefined
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    kill(-pid, 'SIGTERM')
    timer = setTimeout(() => kill(-pid, 'SIGKILL'), grace)
  }
  stop.addEventListener('abort', end, { once: true })
  return (failed) => {
    stop.removeEventListener('abort', end)
    clearTimeout(timer)
    if (failed) kill(-pid, 'SIGKILL')
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

let prefix: string[] | undefined

/** Both programs are of util-linux. Memory that is mapped from files, like a repository's packs, is not counted. */
function held(memory: number | undefined): string[] {
  const words = dyingWithParent()
  return memory === undefined || words.length === 0 ? words : [...words, 'prlimit', `--data=${memory}`]
}

/** A builder that is killed must not leave a git behind that writes beside its successor (law 2). Linux has this; elsewhere git ends when its pipe breaks. */
function dyingWithParent(): string[] {
  const words = ['setpriv', '--pdeathsig', 'KILL']
  prefix ??= spawnSync(words[0]!, [...words.slice(1), 'true'], { stdio: 'ignore' }).status === 0 ? words : []
  return prefix
}
