import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

/** Runs `quern build` on a home as if these programs were not installed: in a mount namespace where they cannot be executed. Root only, see `canMount`. */
export async function buildWithout(programs: string[], home: string): Promise<void> {
  const paths = programs.flatMap((program) => ['/usr/local/bin', '/usr/bin', '/bin'].map((directory) => `${directory}/${program}`)).filter((path) => existsSync(path))
  const hide = [...paths.map((path) => `mount --bind /dev/null ${path}`), 'exec bin/quern build'].join(' && ')
  await promisify(execFile)('unshare', ['--mount', 'sh', '-c', hide], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home } })
}
