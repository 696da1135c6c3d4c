import { isVerdict, worst, type Verdict } from './verdict.ts'

/** Names a build: its record's directory under builds/, and its number there. */
export interface BuildId {
  /** Directory name: `<owner>~<repo>` for chunks and a repository's own pipeline, the job's name for a job definition. */
  pipeline: string
  number: number
}

/**
 * Whose a failure is (law 10). `new`: red here, green on the parent; `parent`: the parent is red in the same run, too;
 * `flaky`: red, then green on the same tree; `infra`: ours; `not-applied`: the patch does not apply.
 */
type BlameClass = 'new' | 'parent' | 'flaky' | 'infra' | 'not-applied'

/** The one class of a failure, and what it follows from. */
export interface Blame {
  class: BlameClass
  /** A sentence. */
  reason: string
  /** The first bad commit and its author, where it is another one than the build's. */
  commit?: string
  author_name?: string
  author_email?: string
  /** Where that commit was seen to fail. */
  seen?: SeenRun
}

/** A run in another build, `<pipeline>/<number>`. */
export interface SeenRun {
  build: string
  run: string
}

/** How a run ended; kept in the result of its build. */
export interface RunResult {
  name: string
  verdict: Verdict
  /** The script's exit code; absent where it never ran or was ended by a signal. */
  code?: number
  signal?: string
  /** One sentence for people: why it errored, was skipped, cancelled or timed out. */
  reason?: string
  /** What the job wrote to `$QUERN_SHARED/<job>.txt`, its first characters. */
  note?: string
  /** Secrets that it asked for and did not get, a sentence each. */
  withheld?: string[]
  /** ISO 8601, UTC. */
  started?: string
  ended?: string
  /** The build of which it was taken, `<pipeline>/<number>`: it was not executed again. */
  reused?: string
  /** The run's name there, where it is another one. */
  reused_run?: string
  /** The run that it repeats. */
  repeats?: string
  /** Of a patch's run that passed with compiler warnings: the green run on the base of its series, which says which of them are new. */
  compared?: SeenRun
  /** Absent where it did not fail, where failures are not compared, and as long as its class is not known. */
  blame?: Blame
}

/** How a build ended. Stored as result.json beside the status, and as a line of builds/index.jsonl. */
export interface BuildResult extends BuildId {
  verdict: Verdict
  reason?: string
  /** 1 for the first attempt; each attempt that a dead builder or a stop interrupted adds one. */
  attempt: number
  entry: string
  repository: string
  full_name?: string
  ref: string
  commit_id: string
  started: string
  ended: string
  runs: RunResult[]
  /** The class that decides who is told: of several failures `new` before `infra`, these before the others. */
  blame?: Blame
}

/** Whether runs that need it may go on: it passed, at once or when it was tried once more. */
export function isGreen({ verdict, blame }: RunResult): boolean {
  return verdict === 'passed' || blame?.class === 'flaky'
}

/** Whether it ended by what the project may be blamed for. */
export function isRed({ verdict }: { verdict: Verdict }): boolean {
  return verdict === 'failed' || verdict === 'timed-out'
}

/** How a build with these runs ended: as the gravest of those whose verdict holds. */
export function verdictOf(runs: RunResult[]): Verdict {
  return worst(runs.filter((run) => run.repeats === undefined && run.blame?.class !== 'flaky').map(({ verdict }) => verdict))
}

/** Whether this JSON is how a build ended, and not what a torn or foreign file holds. */
export function isResult(json: unknown): json is BuildResult {
  const { pipeline, number, verdict, ended, runs } = (json ?? {}) as Record<string, unknown>
  return typeof pipeline === 'string' && typeof number === 'number' && isVerdict(String(verdict)) && typeof ended === 'string' && Array.isArray(runs)
}

/** `<pipeline>/<number>`, as people and URLs name a build. */
export function buildName({ pipeline, number }: BuildId): string {
  return `${pipeline}/${number}`
}

/** Reads `<pipeline>/<number>` back, or undefined. */
export function parseBuildName(name: string): BuildId | undefined {
  const match = /^([^/]+)\/([1-9]\d{0,8})$/.exec(name)
  return match ? { pipeline: match[1]!, number: Number(match[2]) } : undefined
}
