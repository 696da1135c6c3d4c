import { spawn } from 'node:child_process'
import { join } from 'node:path'

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs this checkout's bin/quern on a home, with a bare environment as cron would, and waits for its end. */
export function runQuern(home: string | undefined, words: string[], { env = {}, cwd, input }: { env?: Record<string, string>; cwd?: string; input?: string } = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(process.cwd(), 'bin/quern'), words, {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', NODE: process.execPath, ...(home === undefined ? {} : { QUERN_HOME: home }), ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    const ran: Ran = { code: null, stdout: '', stderr: '' }
    child.stdin?.end(input)
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (ran.stdout += text))
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (ran.stderr += text))
    child.on('error', reject).on('close', (code) => resolve({ ...ran, code }))
  })
}
