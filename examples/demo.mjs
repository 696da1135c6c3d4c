// `npm run demo`: the whole way in one go, on this machine, with nothing but node, git and bash. A home is made, a sample
// repository is pushed twice with a signed delivery, both pushes are queued and built, and the mail of the broken one is shown.
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import PostalMime from 'postal-mime'
import { SMTPServer } from 'smtp-server'

const quern = join(dirname(fileURLToPath(import.meta.url)), '..', 'bin', 'quern')
const place = mkdtempSync(join(tmpdir(), 'quern-demo-'))
const home = join(place, 'home')
const repository = join(place, 'sample')
const mails = []
const mailServer = await listen()
let receiver
try {
  tell('1. Make a home')
  run(quern, ['init', home])
  const port = 20_000 + (process.pid % 10_000)
  set({ HOST: '127.0.0.1', PORT: port, SMTP_URL: `smtp://127.0.0.1:${mailServer.server.address().port}` })

  tell('2. Start the receiver')
  receiver = await serve(port)

  tell('3. Push a commit that builds')
  commit('#!/bin/sh\necho "two and two is $((2 + 2))"\n', 'Add two and two')
  await push(1)

  tell('4. Push a commit that does not')
  commit('#!/bin/sh\necho "two and two is five" >&2\nexit 3\n', 'Improve arithmetic')
  await push(2)
  await until(() => mails.length > 0 && !readdirSync(join(home, 'outbox')).some((name) => /^\d/.test(name)), 'the mail of the broken build')

  tell('5. What Quern knows')
  run(quern, ['builds'])
  run(quern, ['why', git('rev-parse', 'HEAD').trim()])

  tell('6. What the committer got')
  const { from, to, subject, text } = await PostalMime.parse(mails[0])
  process.stdout.write(`From: ${from.name} <${from.address}>\nTo: ${to[0].address}\nSubject: ${subject}\n\n${text.trimEnd()}\n`)
} finally {
  receiver?.kill()
  mailServer.close()
  rmSync(place, { recursive: true, force: true })
}

function tell(sentence) {
  process.stdout.write(`\n\x1b[1m${sentence}\x1b[0m\n`)
}

/** Shows a command and its output. */
function run(command, words) {
  process.stdout.write(`$ quern ${words.join(' ')}\n`)
  process.stdout.write(execFileSync(command, words, { env: environment(), encoding: 'utf8' }))
}

function environment() {
  return { ...process.env, QUERN_HOME: home }
}

function set(values) {
  for (const [name, value] of Object.entries(values)) appendFileSync(join(home, 'environment.sh'), `export ${name}="${value}"\n`)
}

async function serve(port) {
  const child = spawn(quern, ['serve'], { env: environment(), stdio: ['ignore', 'ignore', 'inherit'] })
  await until(() => fetch(`http://127.0.0.1:${port}/healthz`).then((answer) => answer.ok, () => false), 'the receiver')
  process.stdout.write(`$ quern serve\nlistening on http://127.0.0.1:${port}/webhook/amp_main\n`)
  return child
}

function git(...words) {
  return execFileSync('git', ['-C', repository, ...words], { encoding: 'utf8' })
}

function commit(script, message) {
  if (!existsSync(repository)) {
    mkdirSync(join(repository, 'ci'), { recursive: true })
    git('init', '--quiet', '--initial-branch=main')
    git('config', 'user.name', 'Ada Example')
    git('config', 'user.email', 'ada@example.org')
    git('config', 'commit.gpgsign', 'false')
  }
  writeFileSync(join(repository, 'ci/build'), script)
  chmodSync(join(repository, 'ci/build'), 0o755)
  git('add', '.')
  git('commit', '--quiet', '--message', message)
}

/** Sends the signed delivery; the receiver starts the builder, so that no cron is needed here. */
async function push(number) {
  process.stdout.write(`$ quern push\n`)
  process.stdout.write(execFileSync(quern, ['push'], { cwd: repository, env: environment(), encoding: 'utf8' }))
  const status = join(home, 'builds/sample', String(number), 'status')
  await until(() => existsSync(status) && !/RUNNING|QUEUED/.test(readFileSync(status, 'utf8')), `build sample/${number}`)
  process.stdout.write(`build sample/${number} ${readFileSync(status, 'utf8').trim().toLowerCase()}\n`)
}

async function until(happened, what) {
  for (let look = 0; look < 300; look++) {
    if (await happened()) return
    await sleep(100)
  }
  throw new Error(`waited 30 seconds for ${what}; look into ${join(home, 'logs')}`)
}

/** A mail server that keeps what it is given. */
function listen() {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      let mail = ''
      stream.on('data', (chunk) => (mail += chunk))
      stream.on('end', () => {
        mails.push(mail)
        done()
      })
    },
  })
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(server)))
}
