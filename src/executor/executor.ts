/** One way to execute runs. Every implementation passes test/executor/executor.test.ts. */
export interface Executor {
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
  /** Host path of the directory it starts in and may write. */
  workspace: string
  /** The whole environment, nothing is added but what the executor itself must (law 9). */
  env: Record<string, string>
  /** Receives what the run prints, in order. The bytes are only valid during the call. */
  output: (chunk: Uint8Array) => void
  limits: Limits
  network: boolean
  image?: string
  /** Host directories visible inside, beside the workspace. */
  mounts?: { from: string; to: string; readonly: boolean }[]
}

export interface Limits {
  /** Milliseconds. */
  timeout: number
  /** Milliseconds between SIGTERM and SIGKILL. */
  grace: number
  /** Bytes of memory. */
  memory?: number
  processes?: number
  /** Bytes of one written file. */
  fileSize?: number
  cpus?: number
}

export interface Ending {
  verdict: 'passed' | 'failed' | 'timed-out' | 'cancelled' | 'errored'
  /** The exit code, where the script exited. */
  code?: number
  /** The signal that ended it, like SIGKILL. */
  signal?: string
  /** Why it errored, or which limit it met; one sentence. */
  reason?: string
}
