/** One way to execute runs. Every implementation that starts processes passes test/helpers/executor-suite.ts. */
export interface Executor {
  /** Begins with what the first run of a home needs, where that takes a while, and returns at once. */
  prepare?(homeId: string): void
  /**
   * Executes the script and resolves when it has ended, its output is drained and no process of it is left, daemons included.
   * An aborted signal ends it: SIGTERM, after `grace` milliseconds SIGKILL. It resolves for every way a script can end,
   * and also where the executor could not do its work (`errored` with a reason that names the remedy).
   */
  execute(execution: Execution, signal: AbortSignal): Promise<Ending>
}

export interface Execution {
  /** Marks the run's processes (QUERN_RUN in their environment) and names its container: `<home id>/<pipeline>/<number>/<run>`. */
  id: string
  /** Host path of the script, executed by bash. */
  script: string
  /** Host path of the directory it may write. */
  workspace: string
  /** Host path below the workspace where the script starts; the workspace itself where nothing is said. */
  start?: string
  /**
   * The whole environment: nothing is added but QUERN_RUN and what bash itself sets (law 9). A container keeps its
   * image's variables below these, its PATH above, and has a HOME of its own; where TMPDIR is not visible it is /tmp.
   */
  env: Record<string, string>
  /** Receives what the run prints, standard output and error in order. The bytes are only valid during the call. */
  output: (chunk: Uint8Array) => void
  limits: Limits
  network: Network
  image?: string
  /** The name by which others on a named network reach it. */
  alias?: string
  /** Names of services, which a run in the sandbox or shell finds on the loopback that it is on. */
  beside?: string[]
  /** Of a sandbox that is not on this host's network: one that it shares with others, in place of its own. */
  namespace?: NetworkNamespace
  /** What it executes is a stranger's: where the disk runs low, it ends. */
  untrusted?: boolean
  /** Host path of a directory that it shares with other runs and may write: $QUERN_SHARED, at a place of the executor's choice. */
  shared?: string
  /**
   * Host directories visible inside, beside the workspace. What an isolating executor started by root is to write there
   * must be writable for others: its runs have user ids of their own. What is `portable` an engine on another host, which
   * sees no directory of this one, gets a copy of.
   */
  mounts?: { from: string; to: string; readonly: boolean; portable?: boolean }[]
}

/**
 * What a run may reach: `none` is a loopback of its own; `host` is the host's network, for trusted requests;
 * `isolated` is the outside world without this host's loopback, for untrusted requests that this server granted it;
 * a name is a build's own network, on which its services answer by their names (container only).
 * The shell executor isolates nothing and always uses the host's.
 */
export type Network = 'none' | 'host' | 'isolated' | { name: string }

/** A network namespace, by the paths of its descriptors and of its user namespace's, where it has one. */
export interface NetworkNamespace {
  user?: string
  network: string
}

/** A network for runs of one build: what an execution says to be on it. */
export interface BuildNetwork {
  reach: Pick<Execution, 'network' | 'namespace'>
  /** Never rejects. */
  remove(): Promise<void>
}

/** Where a limit is not given, the shell executor has none, and an isolating one that of `bounded`. */
export interface Limits {
  /** Milliseconds. */
  timeout: number
  /** Milliseconds between SIGTERM and SIGKILL. */
  grace: number
  /** Bytes of memory, for the whole run where a control group can hold it. */
  memory?: number
  processes?: number
  /** Bytes of one written file. */
  fileSize?: number
  cpus?: number
}

export interface Ending {
  verdict: 'passed' | 'failed' | 'timed-out' | 'cancelled' | 'errored'
  /** The exit code as a shell tells it: 128 + n where signal n ended the script. Absent where it never ran. */
  code?: number
  /** The signal that the code stands for, like SIGKILL. */
  signal?: NodeJS.Signals
  /** Why it errored, or which limit it met; one sentence. */
  reason?: string
  /** Sentences about what was asked for and could not be had here, like a limit that nothing enforces. */
  notes?: string[]
}
