import { spawnSync } from 'node:child_process'

/** Whether the program is on PATH; where it is not, the test run says how to get it. */
export function isInstalled(program: string, remedy: string): boolean {
  if (spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined) return true
  console.warn(`skipped: ${program} is not installed: ${remedy}`)
  return false
}
