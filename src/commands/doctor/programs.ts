import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from '../../executor/find-program.ts'
import { ok, wrong, type Check } from './check.ts'

/** The oldest Node that Quern runs on. */
const oldestNode = [20, 19] as const

/** What the builder cannot do without: the program, the option that shows its version, the package that brings it. */
const needed = [
  { name: 'git', option: '--version', remedy: 'install it: apt install git' },
  { name: 'bash', option: '--version', remedy: 'install it: apt install bash' },
  { name: 'mkfifo', option: '--version', remedy: 'install it: apt install coreutils' },
] as const

/** The programs that Quern starts. */
export async function checkPrograms(): Promise<Check[]> {
  const programs = await Promise.all(needed.map(({ name, option, remedy }) => checkProgram(name, option, remedy)))
  return [checkNode(process.versions.node), ...programs, checkLocker()]
}

/** @param version like 20.19.1 */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return ok('node', `${version} (${process.execPath})`)
  return wrong('node', `${version} (${process.execPath})`, `install ${oldestNode.join('.')} or newer, and name it in environment.sh where cron does not find it: export NODE="/path/to/node"`)
}

async function checkProgram(name: string, option: string, remedy: string): Promise<Check> {
  const path = findProgram(name)
  if (path === undefined) return wrong(name, 'not found in the directories of the system', remedy)
  // BSD programs know no --version: that they start is enough.
  const { stdout } = await promisify(execFile)(path, [option], { timeout: 10_000 }).catch((error: { stdout?: string; code?: unknown }) => ({ stdout: error.stdout ?? '' }))
  return ok(name, stdout.split('\n')[0] || path)
}

function checkLocker(): Check {
  const name = ['flock', 'perl'].find((program) => findProgram(program) !== undefined)
  return name === undefined ? wrong('lock', 'neither flock nor perl: two builders cannot be kept apart', 'install it: apt install util-linux') : ok('lock', name)
}
