import { spawnSync } from 'node:child_process'
import { isInstalled } from './is-installed.ts'

/** Whether strace is there and may trace; where it is not, the test run says how to get it. */
export function canTrace(): boolean {
  if (!isInstalled('strace', 'apt-get install strace')) return false
  if (spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0) return true
  console.warn('skipped: strace may trace nothing here: a container needs --cap-add SYS_PTRACE')
  return false
}
