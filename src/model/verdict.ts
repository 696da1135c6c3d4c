/** How a run or a build ended. `failed` is the project's fault, `errored` is ours. */
export type Verdict = 'passed' | 'failed' | 'errored' | 'timed-out' | 'cancelled' | 'skipped' | 'not-applied'

/** The one word in a `status` file: upper case, as BYA wrote it. */
export type Status = 'QUEUED' | 'RUNNING' | Uppercase<Verdict>

/** A verdict, or how far something is that has none yet. */
export type Stage = Lowercase<Status>

/** The verdicts from gravest to mildest: a build ends as the gravest of its runs. */
const gravest: readonly Verdict[] = ['cancelled', 'errored', 'not-applied', 'timed-out', 'failed', 'passed', 'skipped']

/** Whether the word is one. */
export function isVerdict(word: string): word is Verdict {
  return (gravest as readonly string[]).includes(word)
}

/** The verdict of a build from those of its runs: the gravest one; `passed` where there is no run. */
export function worst(verdicts: Iterable<Verdict>): Verdict {
  const seen = new Set(verdicts)
  return gravest.find((verdict) => seen.has(verdict)) ?? 'passed'
}

/** Whether a status file says that the build or run has ended. One that a power cut emptied says nothing. */
export function isTerminal(status: Status | undefined): boolean {
  return status !== undefined && isVerdict(status.toLowerCase())
}

/** Whether something went wrong in it, whosever fault that is: its log may say what. Of a build or run that goes on, nothing is known. */
export function wentWrong(stage: Stage): boolean {
  return stage === 'failed' || stage === 'timed-out' || stage === 'errored'
}

/** The word in the status file of something that ended so. */
export function statusOf(verdict: Verdict): Status {
  return verdict.toUpperCase() as Status
}
