import { bytesIn } from '../record/bytes-in.ts'

/** What a whole build may use of this server, beside the limits of each of its runs. A build that uses more is ended. */
export interface Allowance {
  /** Something of the build is at work until the call that it returns. Time counts once, however much is at work; waiting for others is free. */
  begin(): () => void
  /** This directory of the record is complete; what it holds counts. */
  keep(directory: string): void
}

/** Absent for trusted builds. */
export interface AllowanceLimits {
  /** Minutes. */
  time: number
  /** MiB that its runs leave in the record. */
  output: number
}

const unlimited: Allowance = { begin: () => () => {}, keep: () => {} }

/** @param end is called with a sentence when something is used up */
export function openAllowance(limits: AllowanceLimits | undefined, end: (reason: string) => void): Allowance {
  if (limits === undefined) return unlimited
  let time = limits.time * 60_000
  let output = limits.output * 1024 ** 2
  let working = 0
  let since = 0
  let timer: NodeJS.Timeout | undefined
  return {
    begin() {
      // Not as soon as a run has left it: the last run of a build has its verdict.
      if (output < 0) end(`its output and artifacts are more than the ${limits.output} MiB that are kept of an untrusted build (UNTRUSTED_OUTPUT in environment.sh)`)
      if (working++ === 0) {
        since = performance.now()
        timer = setTimeout(() => end(`it took longer than the ${limits.time} minutes that an untrusted build may work in all (UNTRUSTED_TIMEOUT in environment.sh)`), time)
      }
      return () => {
        if (--working > 0) return
        clearTimeout(timer)
        time = Math.max(0, time - (performance.now() - since))
      }
    },
    keep: (directory) => void (output -= bytesIn(directory)),
  }
}
