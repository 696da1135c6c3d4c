import type { Verdict } from './verdict.ts'

/** Names a build: its record's directory under builds/, and its number there. */
export interface BuildId {
  /** Directory name: `<owner>~<repo>` for chunks and a repository's own pipeline, the job's name for a job definition. */
  pipeline: string
  number: number
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
  /** ISO 8601, UTC. */
  started?: string
  ended?: string
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
