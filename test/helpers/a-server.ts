import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { aHome, exitOf, until } from './a-home.ts'
import { freePort } from './free-port.ts'
import { deliver, secret, type DeliveryOptions } from './receiver.ts'
import { runQuern } from './run-quern.ts'

/** A home with its receivers and builders as processes of their own, all ended when the test ends. */
export async function aServer({ chunks = {}, settings = {}, shipped = false, at }: { chunks?: Record<string, string>; settings?: Record<string, string>; shipped?: boolean; at?: string } = {}) {
  const port = await freePort()
  const given = aHome({ at, chunks, settings: { HOST: '127.0.0.1', PORT: String(port), SECRET: secret, ...settings } })
  const { home } = given
  // A chunk that a home does not have is the shipped one.
  if (shipped) for (const name of ['checkout_repos', 'build_packages'].filter((one) => !(one in chunks))) rmSync(join(home, 'scripts', name))
  onTestFinished(() => endProcessesOf(home))
  return {
    ...given,
    /** Starts a receiver and returns when it listens. */
    serve: () => serve(home),
    /** Writes files of the home, readable for its owner only. */
    write(files: Record<string, string>) {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(home, name)), { recursive: true })
        writeFileSync(join(home, name), text, { mode: 0o600 })
      }
    },
    read: (path: string) => readFileSync(join(home, path), 'utf8'),
    /** Changes a line of environment.sh. */
    set(name: string, value: string) {
      const path = join(home, 'environment.sh')
      const lines = readFileSync(path, 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith(`export ${name}=`))
      writeFileSync(path, [...lines, `export ${name}="${value}"`, ''].join('\n'))
    },
    quern: (...words: string[]) => runQuern(home, words),
    /** Waits until the build has ended, and returns its status. */
    async ended(build: string): Promise<string> {
      await until(`build ${build} has ended`, () => !/^(|QUEUED|RUNNING)$/.test(statusOf(home, build)))
      return statusOf(home, build)
    },
    /** Waits until no builder is left that a receiver started. */
    idle: () => until('the builder leaves', () => processesOf(home, 'build').length === 0),
  }
}

export interface Served {
  hook: string
  child: ChildProcess
  deliver: (body: unknown, options?: DeliveryOptions) => ReturnType<typeof deliver>
  /** As stop-webhook.sh does it. */
  stop: () => Promise<number | null>
}

async function serve(home: string): Promise<Served> {
  const child = spawn(join(process.cwd(), 'bin/quern'), ['serve'], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (told += text))
  await until('the receiver listens', () => {
    if (child.exitCode !== null) throw new Error(`the receiver ended: ${told}`)
    return told.includes('\n')
  })
  const hook = /^Listening on (\S+)/.exec(told)?.[1] ?? ''
  return {
    hook,
    child,
    deliver: (body, options) => deliver(hook, body, options),
    stop() {
      child.kill('SIGTERM')
      return exitOf(child)
    },
  }
}

function statusOf(home: string, build: string): string {
  try {
    return readFileSync(join(home, 'builds', build, 'status'), 'utf8').trim()
  } catch {
    return ''
  }
}

/** Receivers and builders of a home: by its path in their environment. */
function processesOf(home: string, command?: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        return words.some((word) => word.endsWith('main.cjs') || word.endsWith('bin/quern')) && (command === undefined || words.includes(command)) && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`QUERN_HOME=${home}`)
      } catch {
        // It ended while we looked.
        return false
      }
    })
    .map(Number)
}

async function endProcessesOf(home: string): Promise<void> {
  for (const pid of processesOf(home)) {
    try {
      process.kill(pid, 'SIGTERM')
    } catch {
      // It has ended since it was seen.
    }
  }
  await until('all processes of the home have ended', () => processesOf(home).length === 0).catch(() => processesOf(home).forEach((pid) => process.kill(pid, 'SIGKILL')))
}
