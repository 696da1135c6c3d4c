import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findProgram } from '../../src/executor/find-program.ts'
import { aHome } from '../helpers/a-home.ts'
import { runQuern } from '../helpers/run-quern.ts'
import { canMount, smallDisk } from '../helpers/small-disk.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('--help lists the commands and the exit codes', async () => {
  const { code, stdout } = await runQuern(tempDir(), ['--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('init')
  expect(stdout).toContain('Exit codes: 0 all is well; 1')
})

test('a command shows its own help, both ways', async () => {
  const [dashed, worded] = await Promise.all([runQuern(tempDir(), ['init', '--help']), runQuern(tempDir(), ['help', 'init'])])
  expect(dashed.stdout).toContain('Examples:')
  expect(worded.stdout).toBe(dashed.stdout)
})

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(await runQuern(tempDir(), ['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
})

test('an error that nobody foresaw is told without a stack, which is in the log', async () => {
  const home = tempDir()
  for (const name of ['logs', 'queue', 'builds/index.jsonl']) mkdirSync(join(home, name), { recursive: true })
  const { code, stderr } = await runQuern(home, ['builds'])
  expect(code).toBe(1)
  expect(stderr).toBe(`quern: EISDIR: illegal operation on a directory, read\n(the details are in ${home}/logs/build.log)\n`)
  expect(readFileSync(join(home, 'logs/build.log'), 'utf8')).toMatch(/"stack":"Error: EISDIR.*"command":"builds"/)
})

test('a wrong line of environment.sh is told with its number', async () => {
  const home = tempDir()
  writeFileSync(join(home, 'environment.sh'), '# x\nexport THREADS="$X"\n')
  const { code, stderr } = await runQuern(home, ['push'])
  expect(code).toBe(2)
  expect(stderr).toMatch(new RegExp(`^quern: ${home}/environment.sh:2: THREADS: the shell would replace`))
})

test.each([[['nosuch']], [['init', '--nosuch']], [['init', 'a', 'b']]])('%j is a mistake: exit code 2', async (words) => {
  const { code, stderr } = await runQuern(tempDir(), words)
  expect(code).toBe(2)
  expect(stderr).toContain('error:')
})

const steering = '\u001b[31m\u001b]0;title\u0007\u202e'

test.each([[[steering]], [['start', steering]], [['push', steering]], [['secrets', steering]], [['x'.repeat(100_000)]], [['start', 'x'.repeat(100_000)]], [['show', 'x'.repeat(100_000)]], [['cancel', 'x'.repeat(300)]], [['init', 'x'.repeat(300)]], [['plan', 'x'.repeat(300)]], [['push', 'x'.repeat(300)]]])('words of a mistake neither steer the terminal nor fill it (%#)', async (words) => {
  const home = tempDir()
  mkdirSync(join(home, 'queue'))
  writeFileSync(join(home, 'environment.sh'), 'export SECRET="not-a-real-secret"\n')
  const { code, stdout, stderr } = await runQuern(home, words, { cwd: home })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr.length).toBeLessThan(5000)
  expect(stderr).not.toContain('Cannot read')
  // eslint-disable-next-line no-control-regex
  expect(stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/)
})

test.skipIf(!existsSync('/dev/full'))('output that finds no room is told in one line, and is an error', () => {
  const home = tempDir()
  mkdirSync(join(home, 'queue'))
  const { status, stderr } = spawnSync('sh', ['-c', 'bin/quern builds --json > /dev/full'], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }, encoding: 'utf8' })
  expect([status, stderr]).toEqual([1, 'quern: what is printed cannot be written: ENOSPC: no space left on device, write\n'])
})

test.skipIf(!canMount)('a disk that is full or read-only is told with its remedy, without a stack', async () => {
  const disk = smallDisk(1024 ** 2)
  for (const name of ['queue', 'logs', 'builds/app']) mkdirSync(join(disk.path, name), { recursive: true })
  spawnSync('sh', ['-c', 'cat /dev/zero > fill 2>&1'], { cwd: disk.path })
  const full = await runQuern(disk.path, ['secrets', 'keygen', '--home'])
  rmSync(join(disk.path, 'fill'))
  disk.remount('ro')
  const readOnly = await runQuern(disk.path, ['secrets', 'keygen', '--home'])
  expect([full.code, readOnly.code]).toEqual([1, 1])
  expect(full.stderr).toMatch(/^quern: ENOSPC: .*: the disk is full: make room on it, .*\n$/)
  expect(readOnly.stderr).toMatch(/^quern: EROFS: .*: the disk is mounted read-only: .*\n$/)
})

test.skipIf(process.getuid?.() !== 0)('who may not read the home is told whose it is to be, without a stack', () => {
  const home = tempDir()
  for (const name of ['queue', 'logs']) mkdirSync(join(home, name))
  chmodSync(home, 0o700)
  for (const command of ['logs', 'queue']) {
    const { status, stdout, stderr } = spawnSync(findProgram('setpriv')!, ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'bin/quern', command], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }, encoding: 'utf8' })
    expect([status, stdout], command).toEqual([2, ''])
    expect(stderr).toMatch(/^quern: .*EACCES: .* run quern as the user to whom the home belongs.*\n$/i)
  }
})

test.skipIf(process.getuid?.() !== 0)('root builds nothing in the home of another user, and may look', async () => {
  const { home, drop, list } = aHome({ settings: { SECRET: '0123456789abcdef' } })
  spawnSync('chown', ['-R', '65534', home])
  // Also a tick with nothing to do, or doctor would take root's for that of the home's user.
  for (const words of [['build'], ['serve'], ['prune'], ['sync'], ['retry', 'app/1'], ['cancel', 'app/1'], ['start', 'make'], ['builds', '--reindex']]) {
    const { code, stderr } = await runQuern(home, words)
    expect([words[0], code]).toEqual([words[0], 2])
    expect(stderr).toMatch(/^quern: .* belongs to user 65534, and you are root, .*: call quern as that user, or give the home to root \(chown -R 0 .*\)\n$/)
  }
  const entry = drop()
  expect((await runQuern(home, ['queue'])).stdout).toContain(entry)
  expect([...list('logs'), ...list('builds')]).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)('the user of a home in which root has left a log is told that, not to be who that user is', () => {
  const { home, drop } = aHome()
  drop()
  spawnSync('chown', ['-R', '65534', home])
  writeFileSync(join(home, 'logs/build.log'), '')
  const { status, stderr } = spawnSync(findProgram('setpriv')!, ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'bin/quern', 'build'], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }, encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^quern: EACCES: .*build\.log.*: something there is closed to the user to whom the home belongs, .* quern doctor names the remedy\n$/)
})

test.skipIf(process.getuid?.() !== 0)('what is closed outside of the home is not said to be something of the home', () => {
  const { home } = aHome()
  const closed = tempDir()
  spawnSync('chown', ['-R', '65534', home])
  const { status, stderr } = spawnSync(findProgram('setpriv')!, ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'bin/quern', 'secrets', 'list', '-C', closed], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }, encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stderr).toMatch(/^quern: EACCES: .*ci\.enc.*: have it opened to you, or name another place\n$/)
})
