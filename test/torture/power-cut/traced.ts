import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { tracedCalls } from './trace.ts'

/** Starts a program under strace, which writes down what it and its children ask of disks, pipes and sockets. @throws where strace is not installed */
export function startTraced([program, ...words]: [string, ...string[]], { to, env }: { to: string; env: Record<string, string> }): ChildProcess {
  if (spawnSync('strace', ['-V']).error !== undefined) throw new Error('strace is not installed: apt-get install strace')
  return spawn('strace', ['-f', '-qq', '-y', '-x', '-s', '1000000', '-e', `trace=${tracedCalls}`, '-e', 'signal=none', '-o', to, program, ...words], { env, stdio: ['ignore', 'ignore', 'inherit'] })
}
