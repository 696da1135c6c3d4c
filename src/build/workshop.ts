import type { BuildNetwork, Execution, Executor, Limits } from '../executor/executor.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Logger } from '../log/open-log.ts'
import type { BuildResult } from '../model/build.ts'
import type { ExecutorName, Plan, PlannedRun } from '../model/plan.ts'
import type { Request } from '../model/request.ts'
import type { PipelineError } from '../plan/pipeline/pipeline-error.ts'
import type { Report } from '../publish/publisher.ts'
import type { Queue } from '../queue/queue.ts'
import type { Records } from '../record/open-records.ts'
import type { AllowanceLimits } from './allowance.ts'
import type { Lookout } from './lookout.ts'
import type { Origin } from './settle/origin.ts'
import type { Turns } from './turns.ts'
import type { Verdicts } from './blame/verdicts.ts'
import type { Workspaces } from './execute/workspaces.ts'

/** What a builder works with; `commands/open-workshop.ts` opens the rooms and wires them. */
export interface Workshop {
  home: string
  /** Marks this home's processes and containers; see homeId. */
  homeId: string
  /** How many runs execute at once. */
  threads: number
  queue: Queue
  /** For newer requests than those that are built. */
  lookout: Lookout
  records: Records
  ledger: Ledger
  log: Logger
  /** The pipeline's directory under builds/ for a request. */
  pipelineOf: (request: Request) => string
  /** Settles a request; `ignored` with a reason where this installation has nothing to do for it, `cancelled` where nobody wants it any more. Calls `leaveSeat` where it may take long: what it needs is not to be had now. */
  settle: (request: Request, signal: AbortSignal, leaveSeat?: () => void) => Promise<Settled | Mistaken | { ignored: string } | { cancelled: string }>
  executor: (name: ExecutorName) => Promise<Executor>
  /** Begins with what the executor of a request's first run needs, where that is known before its plan; returns at once. */
  prepare: (request: Request) => void
  /** Makes a network for the containers or the sandboxes of a build; `inwards` where it does not lead out. */
  makeNetwork: (buildId: string, options: { executor: 'container' | 'sandbox'; inwards: boolean; stop: AbortSignal }) => Promise<BuildNetwork>
  /** The environment that every run starts with (law 9). */
  world: Record<string, string>
  limits: Omit<Limits, 'timeout'>
  /** What the programs that a run works with are known by; undefined where that cannot be told yet. */
  toolchain: (run: Pick<PlannedRun, 'executor' | 'image'>) => Promise<string | undefined>
  /** Verdicts of trees that were tested before. */
  verdicts: Verdicts
  blame: BlameRules
  /** Bytes of a console.log that are kept. */
  logLimit: number
  /** Bytes of artifacts that are kept of one run. */
  artifactLimit: number
  /** What a whole untrusted build may use. */
  untrusted: AllowanceLimits
  /** Who is told of a finished build, and how: reports at rest, none for nobody. */
  reportsOn: (finished: Finished) => Promise<Report[]>
  /** What is told when a build begins, before its first run. */
  reportsAtStart: (build: string, settled: Settled) => Promise<Report[]>
  workspaces: Workspaces
  /** Runs of one group, and runs in one tree, go one after the other, over all builds. */
  turns: Turns
  outbox: {
    /** Writes a report into its build, durable. */
    write: (buildDirectory: string, report: Report) => Promise<void> | void
    /** Links a build's reports into the outbox, unless they are there or were sent; returns how many now wait. */
    handOver: (buildDirectory: string) => Promise<number> | number
    /** Sends what is due, unless somebody else is at it. */
    deliverDue: () => Promise<unknown>
  }
}

/** How failures get their class (law 10). */
interface BlameRules {
  /** False: every failure mails, at once. */
  compare: boolean
  /** Whether a failed run is tried once more. */
  retry: boolean
}

/** A request that is settled: what is to be run, and where its trees come from. */
export interface Settled {
  plan: Plan
  /** The request with what only its commit could tell, like the people of a pull request. */
  request: Request
  /** Absent where nothing is known of a commit: its failures are not compared then, and no verdict is reused. */
  origin?: Origin
  /** Makes a fresh work tree at the request's commit, or at another one of its series, in a directory that does not exist; returns what a job must see besides it. Absent where no run of the plan wants one. */
  checkOut?: (directory: string, commit?: string) => Promise<Mount[]>
  /** Of a mailed series: what its commit messages do not follow. */
  messages?: MessageWarnings
  /** What a run gets to know that nothing may record. */
  disclose: (run: PlannedRun) => Promise<Disclosed>
}

/** Which habits of the project the message of each patch does not follow, by the patch's id. */
export type MessageWarnings = ReadonlyMap<number, { context: string; description: string }[]>

/** A request whose own pipeline file has a mistake. */
export interface Mistaken extends Pick<Settled, 'plan' | 'request' | 'origin'> {
  mistake: PipelineError
}

/** Secrets for one run. */
export interface Disclosed {
  env: Record<string, string>
  /** What is masked in everything that the run prints. */
  hidden: string[]
  /** What it asked for and does not get, a sentence each. */
  withheld: string[]
}

export type Mount = NonNullable<Execution['mounts']>[number]

/** A build that has ended, as its reports need it. */
export interface Finished {
  result: BuildResult
  request: Request
  /** Absent where the request could not be settled. */
  plan?: Plan
  directory: string
  /** Runs of which something is still to be found out: of these nothing is told yet, nor what depends on all runs. */
  open?: string[]
}
