import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runQuern } from '../helpers/run-quern.ts'
import { tempDir } from '../helpers/temp-dir.ts'

function homeWithLogs(): string {
  const home = tempDir()
  for (const name of ['queue', 'logs']) mkdirSync(join(home, name))
  return home
}

function line(second: number, msg: string, more = {}): string {
  return `${JSON.stringify({ level: 'info', time: `2026-01-02T03:04:${String(second).padStart(2, '0')}.000Z`, pid: 1, ...more, msg })}\n`
}

test('both logs are told as one, by time, back into the files that were set aside', async () => {
  const home = homeWithLogs()
  writeFileSync(join(home, 'logs/webhook.log.1'), line(1, 'one'))
  writeFileSync(join(home, 'logs/webhook.log'), line(3, 'three'))
  writeFileSync(join(home, 'logs/build.log'), line(2, 'two') + line(4, 'four', { build: 'p/1' }))
  const { stdout, code } = await runQuern(home, ['logs'])
  expect(code).toBe(0)
  expect(stdout.match(/one|two|three|four/g)).toEqual(['one', 'two', 'three', 'four'])
  expect(stdout).toContain('"build":"p/1"')
  expect((await runQuern(home, ['logs', '--builder', '-n', '1'])).stdout.trim().split('\n')).toEqual([expect.stringContaining('four')])
  expect((await runQuern(home, ['logs', '--receiver'])).stdout).not.toContain('two')
})

test('after the clock stepped back the newest lines still come last', async () => {
  const home = homeWithLogs()
  writeFileSync(join(home, 'logs/webhook.log'), line(51, 'wrong') + line(52, 'clock') + line(4, 'third'))
  writeFileSync(join(home, 'logs/build.log'), line(2, 'first') + line(3, 'second') + line(5, 'fourth'))
  expect((await runQuern(home, ['logs', '-n', '4'])).stdout.match(/first|second|third|fourth|wrong|clock/g)).toEqual(['wrong', 'clock', 'third', 'fourth'])
})

test('words of strangers do not steer the terminal', async () => {
  const home = homeWithLogs()
  writeFileSync(join(home, 'logs/build.log'), line(1, 'evil \u001b]0;title\u0007\u001b[2J name', { ref: 'a\u001b[31mb\u202e' }))
  const { stdout } = await runQuern(home, ['logs'])
  expect(stdout).toContain('evil')
  // eslint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/[\x1b\x07\u202e]/)
})

test('a text of several lines stands below its line', async () => {
  const home = homeWithLogs()
  writeFileSync(join(home, 'logs/build.log'), line(1, 'what the mail shows', { build: 'p/1', output: 'first\n\u001b[31msecond\n' }))
  const { stdout } = await runQuern(home, ['logs'])
  expect(stdout.split('\n').slice(1)).toEqual(['    output:', '      first', '      second', ''])
})

test('-f goes on across a rotation', async () => {
  const { home, path, seen, shows } = followed()
  await shows('before')
  appendFileSync(path, line(2, 'second'))
  await shows('second')
  appendFileSync(path, line(3, 'last-of-old'))
  renameSync(path, `${path}.1`)
  writeFileSync(path, line(4, 'first-of-new'))
  writeFileSync(join(home, 'logs/webhook.log'), line(5, 'log-that-came-later'))
  await Promise.all(['last-of-old', 'first-of-new', 'log-that-came-later'].map(shows))
  expect(seen().match(/before|second|last-of-old|first-of-new|log-that-came-later/g)).toEqual(['before', 'second', 'last-of-old', 'first-of-new', 'log-that-came-later'])
})

test('-f goes on when somebody empties a log to make room', async () => {
  const { path, shows } = followed()
  await shows('before')
  writeFileSync(path, line(2, 'after'))
  await shows('after')
})

/** A builder's log of one line that is followed. */
function followed() {
  const home = homeWithLogs()
  const path = join(home, 'logs/build.log')
  writeFileSync(path, line(1, 'before'.padEnd(500, '.')))
  const child = spawn(join(process.cwd(), 'bin/quern'), ['logs', '-f'], { env: { PATH: process.env['PATH'], NODE: process.execPath, QUERN_HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more))
  const shows = async (word: string) => {
    while (!text.includes(word)) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { home, path, seen: () => text, shows }
}

test('where nothing has been logged yet, that is said', async () => {
  const home = homeWithLogs()
  const [receiver, builder] = ['webhook.log', 'build.log'].map((name) => join(home, 'logs', name)) as [string, string]
  expect(await runQuern(home, ['logs'])).toEqual({ code: 0, stdout: '', stderr: `Nothing has been logged yet in ${receiver} and ${builder}.\n` })
  writeFileSync(receiver, line(1, 'one'))
  expect(await runQuern(home, ['logs'])).toMatchObject({ code: 0, stderr: '' })
  expect(await runQuern(home, ['logs', '--builder'])).toEqual({ code: 0, stdout: '', stderr: `Nothing has been logged yet in ${builder}.\n` })
  expect(await runQuern(home, ['logs', '-n', '0'])).toEqual({ code: 0, stdout: '', stderr: '' })
})

test.each(['-5', 'abc', '1.5', ''])('%j is no number of lines, and is told so', async (lines) => {
  expect(await runQuern(tempDir(), ['logs', '-n', lines])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('expected a whole number') })
})
