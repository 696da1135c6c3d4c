import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Ending } from './executor.ts'
import type { Stopped } from './watch.ts'

/** How a process ended. */
export interface Exit {
  code: number | null
  signalled: NodeJS.Signals | null
}

/** @throws where it could not be started */
export function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signalled) => resolve({ code, signalled }))
  })
}

/** An exit code as a shell tells it. */
export function exitCode({ code, signalled }: Exit): number {
  return code ?? 128 + constants.signals[signalled!]
}

/** @param complaint what the programs around a script said instead of starting it */
export function endingOf(stopped: Stopped, code: number, complaint: string): Ending {
  if (stopped !== undefined) return { verdict: stopped, ...howItEnded(code) }
  if (complaint !== '') return { verdict: 'errored', reason: `the script could not be started: ${complaint}` }
  return { verdict: code === 0 ? 'passed' : 'failed', ...howItEnded(code) }
}

/** The code, and the signal that it stands for. */
export function howItEnded(code: number): Pick<Ending, 'code' | 'signal'> {
  const signal = signalNames.get(code - 128)
  return { code, ...(signal && { signal }) }
}

const signalNames = new Map(Object.entries(constants.signals).reverse().map(([name, number]) => [number, name as NodeJS.Signals]))
