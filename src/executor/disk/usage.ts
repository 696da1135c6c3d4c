import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { findProgram } from '../find-program.ts'
import { isRoot } from '../is-root.ts'

/** Milliseconds after which a walk is given up. */
const patience = 10 * 60 * 1000

/**
 * Bytes that each of these takes on the disk, links not followed, files with several names counted once. A program of
 * lowest priority walks, so that nobody waits for it. What is gone is missing in the answer.
 * @throws where it could not be found out
 */
export function diskUsage(paths: string[]): Promise<Map<string, number>> {
  // Without a path, du walks the directory that it is started in.
  if (paths.length === 0) return Promise.resolve(new Map())
  return new Promise((resolve, reject) => {
    const [command, ...options] = walker()
    const child = spawn(command!, [...options, '-skx', '--', ...paths], { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: process.env['PATH'], LC_ALL: 'C' }, timeout: patience, killSignal: 'SIGKILL' })
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
    let printed = ''
    child.on('error', reject)
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text))
    // To du it is a failure (1) where a job removes meanwhile what it has just seen; what it counted still holds.
    child.on('close', (code, signal) => (code === 0 || code === 1 ? resolve(parse(printed)) : reject(new Error(`du ended with ${code ?? signal}`))))
  })
}

/** An ordinary user's own job can make directories that this user may not read; in a user namespace of its own, du may. */
function walker(): string[] {
  const unshare = process.platform === 'linux' && !isRoot() ? findProgram('unshare') : undefined
  return unshare === undefined ? ['du'] : [findProgram('sh') ?? '/bin/sh', '-c', `"$0" --user --map-root-user true 2>/dev/null && exec "$0" --user --map-root-user du "$@"; exec du "$@"`, unshare]
}

function parse(printed: string): Map<string, number> {
  return new Map(printed.split('\n').flatMap((line) => {
    const [, kibibytes, path] = /^(\d+)\t(.*)$/.exec(line) ?? []
    return path === undefined ? [] : [[path, Number(kibibytes) * 1024] as const]
  }))
}
