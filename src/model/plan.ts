/** The way a run is executed. */
export type ExecutorName = 'shell' | 'sandbox' | 'container' | 'scripted'

/** Minutes that anything may be given: Node's timers hold no more than 24 days. */
export const longestTimeout = 30_000

/** One run, settled: everything an executor needs to know, nothing that project code could still change. Stored in plan.json. */
export interface PlannedRun {
  /** Unique in the plan; shown to people as it is, made safe for the file system by `directoryName`. */
  name: string
  /** The job that it executes. */
  job: string
  executor: ExecutorName
  /** Bash text. Values of the request reach it through `env` only. */
  script: string
  /** Names of runs that must have passed before it starts. */
  needs: string[]
  /** `none`: an empty directory, the script checks out by itself; `commit`: a fresh work tree; otherwise the tree that this needed run left behind. */
  workspace: 'none' | 'commit' | { from: string }
  env: Record<string, string>
  /** Parameters of the job, already among `env` too. */
  params: Record<string, string>
  /** Names of secrets that it asks for; which of them it gets, `secrets/` decides. */
  secrets: string[]
  image?: string
  /** Minutes. */
  timeout: number
  network: boolean
  /** MiB. */
  memory?: number
  cpus?: number
  /** Globs, relative to the workspace. */
  artifacts: string[]
  /** Whether what the run puts into $ARCHIVE_ROOT is kept; it is, unless this is false. */
  archive?: boolean
  /** A service starts before the jobs that need it and is stopped when the build ends. */
  service?: boolean
  /** Of a service: bash that succeeds, inside it, once it can be used. Without it, it counts as soon as it has started. */
  ready?: string
  /** Why it is not to run, a sentence: it counts as skipped, and so does what needs it. */
  skip?: string
  /** Host directories, granted by this server. */
  mounts?: { from: string; to: string; readonly: boolean; portable?: boolean }[]
  /** May drive podman or docker. */
  engine?: boolean
  /** Acts on the world: never repeated, never reused, never for untrusted requests. */
  deploy?: boolean
  /** It is told nothing of its request and build, and shares nothing with other runs but trees. */
  closed?: boolean
  /** Whether its verdict may be taken from an earlier build of the same tree; undefined where nobody says: see docs/blame.md. */
  reuse?: boolean
  /** At most one run of a group at a time, over all builds. */
  group?: string
  /** Of a mailed series: which of its patches it tests, at which commit, and the run's name without that. */
  patch?: { n: number; commit: string; run: string }
  /** In place of a mailed patch's runs, where its pipeline file has a mistake: what is wrong, and what the file printed. Nothing is executed. */
  mistake?: { message: string; printed: string }
}

/** A pipeline settled for one request: the runs and their order. Stored as plan.json. */
export interface Plan {
  /** `chunks`, `job:<name>` or `file:<path>`. */
  pipeline: string
  /** Why this pipeline was chosen, a sentence. */
  why: string
  runs: PlannedRun[]
  /** Addresses mailed on failure besides the committer. */
  notify: string[]
  /** A newer request for the same ref cancels older builds of this pipeline, waiting or running. */
  supersede?: boolean
  /** Of a mailed series: what its patches became. */
  series?: PlannedSeries
}

/** The patches of a mailed series, applied. */
export interface PlannedSeries {
  /** The commit that the first patch was applied on. */
  base: string
  /** In their order, up to the one that does not apply. */
  patches: PlannedPatch[]
  /** The patch that does not apply, with git's reason. */
  failed?: { id: number; n: number; reason: string }
}

interface PlannedPatch {
  /** Its id on the server. */
  id: number
  n: number
  commit: string
  tree: string
  /** Why nothing is run for it, where that is to be told. */
  empty?: string
}
