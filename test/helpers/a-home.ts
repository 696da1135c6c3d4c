import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import type { BuildResult } from '../../src/model/build.ts'
import type { Request } from '../../src/model/request.ts'
import { aRequest } from './a-request.ts'
import { runQuern } from './run-quern.ts'
import { tempDir } from './temp-dir.ts'

/** A home with chunks and settings of its own, on which the real bin/quern is run; in a fresh directory, or `at` an empty one. */
export function aHome({ chunks = {}, settings = {}, at: home = tempDir() }: { chunks?: Record<string, string>; settings?: Record<string, string>; at?: string | undefined } = {}) {
  let dropped = 0
  for (const name of ['queue', 'logs', 'scripts']) mkdirSync(join(home, name))
  for (const [name, text] of Object.entries({ checkout_repos: 'true\n', build_packages: 'true\n', ...chunks })) writeFileSync(join(home, 'scripts', name), text)
  // Nobody listens on port 9: a test that wants mail names its own server.
  const all = { CLONE_BASE: 'https://localhost', SMTP_URL: 'smtp://127.0.0.1:9', ...settings }
  writeFileSync(join(home, 'environment.sh'), Object.entries(all).map(([name, value]) => `export ${name}="${value}"\n`).join(''), { mode: 0o600 })
  const builds = join(home, 'builds')
  return {
    home,
    /** Drops an entry into the queue as a person would; later ones are newer. */
    drop(changes: Partial<Request> = {}, name = `1700000000.${String(++dropped).padStart(6, '0')}-test.json`) {
      writeFileSync(join(home, 'queue', name), JSON.stringify(aRequest(changes)))
      return name
    },
    build: (words: string[] = [], env: Record<string, string> = {}) => runQuern(home, ['build', ...words], { env }),
    /** Starts a builder that the test ends, or that is killed with it. */
    startBuilder(words: string[] = [], env: Record<string, string> = {}): ChildProcess {
      const child = spawn(resolve('bin/quern'), ['build', ...words], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home, ...env }, stdio: 'ignore' })
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    },
    status: (build: string) => readFileSync(join(builds, build, 'status'), 'utf8').trim(),
    result: (build: string) => JSON.parse(readFileSync(join(builds, build, 'result.json'), 'utf8')) as BuildResult,
    console: (build: string, run = 'build') => readFileSync(join(builds, build, 'runs', run, 'console.log'), 'utf8'),
    /** Names in a directory of the home, dot files left out; none where it does not exist. */
    list(path: string): string[] {
      try {
        return readdirSync(join(home, path)).filter((name) => !name.startsWith('.')).toSorted()
      } catch {
        return []
      }
    },
  }
}

/** Resolves when the process has ended, with its exit code. */
export function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}

/** Looks until it holds. @throws after a minute, naming what was waited for */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let look = 0; look < 3000; look++) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`waited a minute: ${what}`)
}
