import { setTimeout as sleep } from 'node:timers/promises'
import { runOf } from './execution-id.ts'
import type { Ending, Execution, Executor } from './executor.ts'

/** What a run does; without a word it passes at once and says nothing. */
export interface Act {
  output?: string
  /** Milliseconds it takes, unless it is stopped before. */
  takes?: number
  /** How it ends; `errored` with a reason acts out an executor that cannot start it. */
  ending?: Ending
  /** Called when it starts, for what a test wants to see or do then. */
  starts?: (execution: Execution) => void | Promise<void>
}

/** An executor that starts no process: it acts out what a test wrote for each run, found by the run's name, else by the id. */
export function openScripted(acts: Record<string, Act> | ((execution: Execution) => Act | undefined)): Executor {
  const actOf = typeof acts === 'function' ? acts : ({ id }: Execution) => acts[runOf(id)] ?? acts[id]
  return {
    execute: async (execution, signal) => {
      if (signal.aborted) return { verdict: 'cancelled' }
      const { output, takes = 0, ending = { verdict: 'passed', code: 0 }, starts } = actOf(execution) ?? {}
      await starts?.(execution)
      if (ending.verdict === 'errored') return ending
      if (output !== undefined) execution.output(Buffer.from(output))
      return (await stopped(takes, execution.limits.timeout, signal)) ?? ending
    },
  }
}

async function stopped(takes: number, timeout: number, signal: AbortSignal): Promise<Ending | undefined> {
  try {
    await sleep(Math.min(takes, timeout), undefined, { signal })
  } catch (error) {
    if ((error as Error).name === 'AbortError') return { verdict: 'cancelled', code: 143, signal: 'SIGTERM' }
    throw error
  }
  return takes > timeout ? { verdict: 'timed-out', code: 143, signal: 'SIGTERM' } : undefined
}
