import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect, createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../helpers/free-port.ts'
import { gitRepo } from '../helpers/git-repo.ts'
import { deliver, payload, secret, signature } from '../helpers/receiver.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('start-webhook.sh starts the receiver, says its URL, refuses a second start; stop-webhook.sh ends it', async () => {
  const { home, port } = await newHome()
  const started = script('start-webhook.sh', home)
  expect(started).toEqual({ status: 0, stdout: `Listening on http://127.0.0.1:${port}/webhook/amp_main\n`, stderr: '' })
  const pid = readFileSync(join(home, 'logs/webhook.pid'), 'utf8').trim()

  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
  expect(await deliver(`http://127.0.0.1:${port}/webhook/amp_main`, payload('push'))).toMatchObject({ status: 202 })
  expect(script('start-webhook.sh', home)).toMatchObject({ status: 1, stderr: expect.stringContaining(`runs already (process ${pid}); stop it first with ${process.cwd()}/stop-webhook.sh`) })

  expect(script('stop-webhook.sh', home)).toEqual({ status: 0, stdout: `Stopped the receiver (process ${pid})\n`, stderr: '' })
  expect(existsSync(join(home, 'logs/webhook.pid'))).toBe(false)
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
  expect(script('stop-webhook.sh', home)).toMatchObject({ status: 1, stderr: expect.stringContaining('no receiver') })

  const log = readFileSync(join(home, 'logs/webhook.log'), 'utf8')
  expect(log).toContain('queued: push of Codertocat/Hello-World refs/heads/master')
  expect(log).not.toContain(secret)
  expect(readdirSync(join(home, 'queue')).filter((name) => name.endsWith('.json'))).toHaveLength(1)
})

test("stop-webhook.sh does not end a stranger's process that has the number now", async () => {
  const { home } = await newHome()
  const stranger = spawn('sleep', ['60'])
  onTestFinished(() => void stranger.kill())
  writeFileSync(join(home, 'logs/webhook.pid'), `${stranger.pid}\n`)
  expect(script('stop-webhook.sh', home)).toMatchObject({ status: 1, stderr: expect.stringContaining(`process ${stranger.pid} is no receiver`) })
  expect(stranger.exitCode).toBe(null)
  expect(existsSync(join(home, 'logs/webhook.pid'))).toBe(false)
})

test.skipIf(!existsSync('/proc/self/cwd'))('the copy of a home whose receiver runs neither ends that one nor takes it for its own, and a home that was moved ends it', async () => {
  const { home, port } = await newHome()
  script('start-webhook.sh', home)
  const copy = join(tempDir(), 'copy')
  cpSync(home, copy, { recursive: true })
  const health = () => fetch(`http://127.0.0.1:${port}/healthz`).then(({ status }) => status)
  expect(script('start-webhook.sh', copy)).toMatchObject({ status: 1, stderr: expect.stringContaining('something listens there already') })
  cpSync(join(home, 'logs/webhook.pid'), join(copy, 'logs/webhook.pid'))
  expect(script('stop-webhook.sh', copy)).toMatchObject({ status: 1, stderr: expect.stringContaining(`is no receiver of ${copy}`) })
  expect(await health()).toBe(200)
  renameSync(home, `${home}-moved`)
  expect(script('stop-webhook.sh', `${home}-moved`)).toMatchObject({ status: 0 })
  await expect(health()).rejects.toThrow()
})

test('a receiver ends from a home that was put back at its place', async () => {
  const { home } = await newHome()
  script('start-webhook.sh', home)
  cpSync(home, `${home}-saved`, { recursive: true })
  rmSync(home, { recursive: true })
  renameSync(`${home}-saved`, home)
  expect(script('stop-webhook.sh', home)).toMatchObject({ status: 0 })
})

test('start-webhook.sh makes no home of a place that is none', () => {
  const home = join(tempDir(), 'nowhere')
  expect(script('start-webhook.sh', home)).toMatchObject({ status: 1, stderr: expect.stringContaining(`there is no ${home}`) })
  expect(existsSync(home)).toBe(false)
})

test.runIf(process.getuid?.() === 0)('start-webhook.sh called by root leaves nothing in the home of another user, who can start it then', async () => {
  const { home } = await newHome()
  spawnSync('chown', ['-R', '65534', home])
  expect(script('start-webhook.sh', home)).toMatchObject({ status: 1, stderr: expect.stringContaining(`${home} belongs to another user, and you are root`) })
  expect(readdirSync(join(home, 'logs'))).toEqual([])
})

test('start-webhook.sh takes a home that is named by where it lies from here', async () => {
  const { home, port } = await newHome()
  const cwd = dirname(home)
  expect(script('start-webhook.sh', basename(home), { cwd })).toEqual({ status: 0, stdout: `Listening on http://127.0.0.1:${port}/webhook/amp_main\n`, stderr: '' })
  expect(script('stop-webhook.sh', basename(home), { cwd })).toMatchObject({ status: 0 })
})

test('a start after a crash takes over the pid file', async () => {
  const { home } = await newHome()
  writeFileSync(join(home, 'logs/webhook.pid'), '999999999\n')
  expect(script('start-webhook.sh', home)).toMatchObject({ status: 0 })
  expect(script('stop-webhook.sh', home)).toMatchObject({ status: 0 })
})

test.skipIf(!existsSync('/proc/self/cmdline'))('where there is no ps, like in small containers, a receiver is known all the same', async () => {
  const { home } = await newHome()
  const programs = tempDir()
  writeFileSync(join(programs, 'ps'), '#!/bin/sh\nexit 127\n', { mode: 0o755 })
  const path = `${programs}:${process.env['PATH']}`
  expect(script('start-webhook.sh', home, { path })).toMatchObject({ status: 0 })
  const pid = Number(readFileSync(join(home, 'logs/webhook.pid'), 'utf8'))
  onTestFinished(() => void (isAlive(pid) && process.kill(pid)))
  expect(script('start-webhook.sh', home, { path })).toMatchObject({ status: 1, stderr: expect.stringContaining(`runs already (process ${pid})`) })
  expect(script('stop-webhook.sh', home, { path })).toMatchObject({ status: 0 })
  expect(isAlive(pid)).toBe(false)
})

test('a receiver that cannot start says why and leaves no pid file', async () => {
  const { home, port } = await newHome()
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  expect(script('start-webhook.sh', home)).toMatchObject({ status: 1, stderr: expect.stringContaining(`listening on 127.0.0.1 port ${port}: something listens there already`) })
  expect(existsSync(join(home, 'logs/webhook.pid'))).toBe(false)
})

test('interrupted while the receiver starts, start-webhook.sh leaves neither that nor a pid file', async () => {
  const { home } = await newHome()
  const asleep = join(home, 'asleep')
  writeFileSync(join(home, 'node'), `#!/bin/sh\necho $$ > ${asleep}.new; mv ${asleep}.new ${asleep}; exec sleep 60\n`, { mode: 0o755 })
  appendFileSync(join(home, 'environment.sh'), `export NODE="${join(home, 'node')}"\n`)
  const starting = spawn(join(process.cwd(), 'start-webhook.sh'), [], { env: { PATH: process.env['PATH'], QUERN_HOME: home }, stdio: 'ignore', detached: true })
  const ended = new Promise((resolve) => starting.once('exit', resolve))
  await expect.poll(() => existsSync(asleep), { timeout: 20_000 }).toBe(true)
  const receiver = Number(readFileSync(asleep, 'utf8'))
  onTestFinished(() => void (isAlive(receiver) && process.kill(receiver)))
  process.kill(-starting.pid!, 'SIGINT')
  expect(await ended).toBe(1)
  await expect.poll(() => isAlive(receiver)).toBe(false)
  expect(existsSync(join(home, 'logs/webhook.pid'))).toBe(false)
})

test.each([
  ['no secret', (home: string) => writeFileSync(join(home, 'environment.sh'), ''), 'set SECRET in its environment.sh'],
  ['a log that cannot be written', (home: string) => mkdirSync(join(home, 'logs/webhook.log')), 'must be able to write in'],
  ['half of TLS', (home: string) => appendFileSync(join(home, 'environment.sh'), 'export TLS_KEY="/nothing"\n'), 'only one of TLS_KEY and TLS_CERT'],
  ['a PEM file that is missing', (home: string) => appendFileSync(join(home, 'environment.sh'), 'export TLS_KEY="/nothing"\nexport TLS_CERT="/nothing"\n'), "TLS_KEY: ENOENT: no such file or directory, open '/nothing'; expected a PEM file"],
  ['a file that is no PEM file', (home: string) => appendFileSync(join(home, 'environment.sh'), 'export TLS_KEY="/etc/passwd"\nexport TLS_CERT="/etc/passwd"\n'), 'TLS_KEY (/etc/passwd) and TLS_CERT (/etc/passwd): '],
  ['a hook whose secret is not set', (home: string) => writeFileSync(join(home, 'quern.yaml'), 'hooks: [{id: a, secret_env: NOT_SET}]\n'), 'export NOT_SET='],
  ['an unknown key in a hook', (home: string) => writeFileSync(join(home, 'quern.yaml'), 'hooks: [{id: a, secret: x, branch: y}]\n'), 'branch'],
])('serve with %s ends at once with the remedy', async (_, spoil, message) => {
  const { home } = await newHome()
  spoil(home)
  expect(await runQuern(home, ['serve'])).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
})

test('a request in flight is answered after SIGTERM, a new one is not taken', async () => {
  const { home, port } = await newHome()
  script('start-webhook.sh', home)
  const pid = Number(readFileSync(join(home, 'logs/webhook.pid'), 'utf8'))
  const text = JSON.stringify(payload('push'))
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST /webhook/amp_main HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: d\r\nX-Hub-Signature-256: ${signature(text)}\r\n\r\n`)
  socket.write(text.slice(0, 100))
  await new Promise((resolve) => setTimeout(resolve, 200))
  process.kill(pid, 'SIGTERM')
  await expect.poll(() => fetch(`http://127.0.0.1:${port}/healthz`).then(() => true, () => false)).toBe(false)
  socket.write(text.slice(100))
  const answer = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())))
  expect(answer).toMatch(/^HTTP\/1\.1 202 /)
  await expect.poll(() => isAlive(pid)).toBe(false)
})

test('with TLS_KEY and TLS_CERT the receiver speaks HTTPS; quern push asks its own receiver for no certificate that it knows, others it does', async () => {
  const { home, port, cert } = await newSecureHome()
  const started = script('start-webhook.sh', home)
  expect(started.stdout).toBe(`Listening on https://127.0.0.1:${port}/webhook/amp_main\n`)
  const status = await new Promise((resolve, reject) => request(`https://127.0.0.1:${port}/healthz`, { ca: readFileSync(cert) }, (response) => resolve(response.resume().statusCode)).on('error', reject).end())
  expect(status).toBe(200)
  const repo = gitRepo()
  repo.commit({ a: '1' })
  expect(await runQuern(home, ['push', repo.path])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^queued \(202\)/) })
  expect(await runQuern(home, ['push', repo.path, '--to', `https://127.0.0.1:${port}/webhook/amp_main`])).toMatchObject({ code: 2, stderr: expect.stringContaining('self-signed certificate') })
})

test('whoever connects and does not begin to speak TLS is cut off when the receiver stops', { tags: 'long' }, async () => {
  const { home, port } = await newSecureHome()
  expect(script('start-webhook.sh', home)).toMatchObject({ status: 0 })
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await new Promise((resolve) => socket.once('connect', resolve))
  expect(script('stop-webhook.sh', home)).toMatchObject({ status: 0, stderr: '' })
})

async function newSecureHome(): Promise<{ home: string; port: number; cert: string }> {
  const { home, port } = await newHome()
  const [key, cert] = [join(home, 'key.pem'), join(home, 'cert.pem')]
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert])
  expect(made.status, 'openssl makes a certificate; install openssl').toBe(0)
  appendFileSync(join(home, 'environment.sh'), `export TLS_KEY="${key}"\nexport TLS_CERT="${cert}"\n`)
  return { home, port, cert }
}

/** A home on a free port of the loopback interface, whose receiver starts no builder. */
async function newHome(): Promise<{ home: string; port: number }> {
  const home = join(tempDir(), 'home')
  onTestFinished(() => endReceiverOf(home))
  expect(await runQuern(undefined, ['init', home])).toMatchObject({ code: 0 })
  const port = await freePort()
  writeFileSync(join(home, 'environment.sh'), `export SECRET="${secret}"\nexport HOST="127.0.0.1"\nexport PORT="${port}"\nexport BUILD_ON_PUSH="0"\n`)
  return { home, port }
}

function script(name: string, home: string, { path = process.env['PATH'], ...options }: { path?: string; cwd?: string } = {}): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(join(process.cwd(), name), { ...options, encoding: 'utf8', env: { PATH: path, NODE: process.execPath, QUERN_HOME: home } })
  return { status, stdout, stderr }
}

/** Whether the process runs; one that has ended but is still in the table of an init that collects nothing does not. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', `${pid}`], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}

/** A receiver outlives whoever started it, so a test that fails must not leave one. */
function endReceiverOf(home: string): void {
  const pidFile = join(home, 'logs/webhook.pid')
  const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
  if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL')
}
