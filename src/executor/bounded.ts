import { totalmem } from 'node:os'
import type { Execution } from './executor.ts'

const gibibyte = 1024 ** 3

/** The execution with a bound on everything: a job that nobody trusts must not take the whole host where no limit was given. */
export function bounded(execution: Execution): Execution {
  const memory = Math.floor(totalmem() * 0.75)
  return { ...execution, limits: { memory, processes: 4096, fileSize: 16 * gibibyte, ...execution.limits } }
}
