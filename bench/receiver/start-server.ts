import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { secret } from './load.ts'

export interface Server {
  port: number
  path: string
  pid: number
  stop(): Promise<void>
}

/** Quern's receiver itself, on a fresh home. */
export async function startQuern(directory: string): Promise<Server> {
  const port = await freePort()
  mkdirSync(join(directory, 'queue'), { recursive: true })
  writeFileSync(join(directory, 'environment.sh'), `export SECRET="${secret}"\nexport HOST="127.0.0.1"\nexport PORT="${port}"\nexport BUILD_ON_PUSH="0"\n`)
  return started(spawn(resolve('bin/quern'), ['serve'], { env: { ...process.env, QUERN_HOME: directory }, stdio: 'ignore' }), port, '/webhook/amp_main')
}

/** One of servers.ts. */
export async function startOther(kind: string, directory: string): Promise<Server> {
  mkdirSync(directory)
  const child = spawn(resolve('node_modules/.bin/jiti'), ['bench/receiver/servers.ts', kind, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolvePort) => child.stdout.once('data', (data) => resolvePort(Number(data))))
  return started(child, port, '/webhook/amp_main')
}

/** Debian's webhook, which starts a Python script for each delivery and answers with what it prints. */
export async function startDebian(directory: string): Promise<Server> {
  mkdirSync(directory)
  const port = await freePort()
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
  const hook = {
    id: 'amp_main',
    'execute-command': python,
    'include-command-output-in-response': true,
    'pass-arguments-to-command': [
      { source: 'string', name: resolve('bench/receiver/enqueue.py') },
      { source: 'entire-payload' },
      { source: 'string', name: directory },
    ],
    'trigger-rule': { match: { type: 'payload-hmac-sha256', secret, parameter: { source: 'header', name: 'X-Hub-Signature-256' } } },
  }
  const configuration = `${directory}.hooks.json`
  writeFileSync(configuration, JSON.stringify([hook]))
  return started(spawn('webhook', ['-hooks', configuration, '-ip', '127.0.0.1', '-port', String(port), '-urlprefix', 'webhook'], { stdio: 'ignore' }), port, '/webhook/amp_main')
}

async function started(child: ChildProcess, port: number, path: string): Promise<Server> {
  const ended = new Promise<void>((resolveEnd) => child.once('exit', () => resolveEnd()))
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended before it listened`)
    await pause(20)
  }
  return { port, path, pid: child.pid!, stop: () => (child.kill(), ended) }
}

function listens(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false)
}

function freePort(): Promise<number> {
  return new Promise((resolvePort) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolvePort(port))
    })
  })
}
