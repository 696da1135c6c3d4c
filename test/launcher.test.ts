import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from './helpers/temp-dir.ts'

const launcher = resolve('bin/quern')

/** A home and a stand-in for node that leaves a mark when it is started. */
function aPlace() {
  const place = tempDir()
  const home = join(place, 'home')
  for (const name of ['queue/low', 'queue/claimed', 'queue/tmp', 'outbox', 'logs']) mkdirSync(join(home, name), { recursive: true })
  const node = join(place, 'node')
  const mark = join(place, 'started')
  writeFileSync(node, `#!/bin/sh\necho "$@" > '${mark}'\n`)
  chmodSync(node, 0o755)
  return {
    home,
    run: (words: string[], { env = {}, command = launcher, cwd = '/' }: { env?: Record<string, string>; command?: string; cwd?: string } = {}) =>
      spawnSync(command, words, { cwd, env: { PATH: '/usr/bin:/bin', QUERN_HOME: home, NODE: node, ...env }, encoding: 'utf8' }),
    startsNode(words = ['build']) {
      rmSync(mark, { force: true })
      expect(this.run(words).status).toBe(0)
      return existsSync(mark)
    },
  }
}

test('a tick with nothing waiting and nothing due ends without node, and is noted', () => {
  const place = aPlace()
  const { home } = place
  writeFileSync(join(home, 'queue/.lock'), '')
  const inFourHours = `outbox/${Math.floor(Date.now() / 1000) + 4 * 3600}-key.json`
  writeFileSync(join(home, inFourHours), '')
  // Nobody claims these: a link is no entry.
  symlinkSync(join(home, inFourHours), join(home, 'queue/link.json'))
  mkdirSync(join(home, 'queue/directory.json'))
  const tick = join(home, 'logs/tick')
  writeFileSync(tick, '')
  utimesSync(tick, 1, 1)
  expect(place.startsNode()).toBe(false)
  expect(statSync(tick).mtimeMs).toBeGreaterThan(1000)
})

test.each(['queue/1.000001-a.json', 'queue/low/1.000001-a.json', 'queue/claimed/1.000001-a.json', 'queue/tmp/1.000001-a.json', 'outbox/1-key.json', 'outbox/9999999999-key.json'])('%s starts node', (path) => {
  const place = aPlace()
  const { home } = place
  writeFileSync(join(home, path), '')
  expect(place.startsNode()).toBe(true)
})

test('other commands, and the help of build, always start node', () => {
  const place = aPlace()
  expect(place.startsNode(['queue'])).toBe(true)
  expect(place.startsNode(['build', '--help'])).toBe(true)
})

test('build with words that it does not take always starts node, which says so', () => {
  const place = aPlace()
  for (const words of ['--thread 2', '--threads', '--threads two', '--threads 0', '--threads 2000', '--threads 2 now', '2', 'now']) expect(place.startsNode(['build', ...words.split(' ')]), words).toBe(true)
  for (const words of ['--threads 2', '--threads=16', '--threads 999']) expect(place.startsNode(['build', ...words.split(' ')]), words).toBe(false)
})

test('it finds its checkout through links, relative ones too, and from PATH', () => {
  const place = aPlace()
  const directory = tempDir()
  symlinkSync(launcher, join(directory, 'first'))
  symlinkSync('first', join(directory, 'quern'))
  for (const run of [
    place.run(['queue'], { command: join(directory, 'quern') }),
    place.run(['queue'], { command: './quern', cwd: directory }),
    place.run(['queue'], { command: 'quern', env: { PATH: `${directory}:/usr/bin:/bin` } }),
  ]) {
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' })
  }
})

test('a node that is named and is not there is told, with the file that names it, and nowhere else is looked', () => {
  const { home, run } = aPlace()
  const { status, stderr } = run(['queue'], { env: { NODE: '/nonexistent/node' } })
  expect(status).toBe(2)
  expect(stderr).toContain('NODE is /nonexistent/node, which is not there')
  expect(stderr).toContain(`node (20.19 or newer) by its full path in ${home}/environment.sh`)
})

test.each(['export THREADS = 3', 'export NAME="one'])('where the shell cannot read %j in environment.sh, that file is named', (line) => {
  const { home, run } = aPlace()
  writeFileSync(join(home, 'environment.sh'), `${line}\n`)
  // A bash that is sh goes on, and names it by itself.
  expect(run(['queue']).stderr).toContain(`${home}/environment.sh`)
})

test('an exit in environment.sh is told as such, and is no success', () => {
  const { home, run } = aPlace()
  writeFileSync(join(home, 'environment.sh'), 'export THREADS="2"\nexit 0\n')
  for (const command of ['queue', 'build']) expect(run([command])).toMatchObject({ status: 2, stderr: expect.stringContaining(`ended in ${home}/environment.sh, of the mistake above or of a line like exit`) })
})

test('an installation that was not compiled says what to run, and where', () => {
  const { run } = aPlace()
  const root = tempDir()
  mkdirSync(join(root, 'bin'))
  cpSync(launcher, join(root, 'bin/quern'))
  expect(run(['queue'], { command: 'bin/quern', cwd: root })).toMatchObject({ status: 2, stderr: `quern: ${root}/dist/main.cjs is missing: run 'npm ci --include=dev' in ${root}\n` })
})
