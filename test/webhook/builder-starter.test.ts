import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { builderStarter } from '../../src/webhook/builder-starter.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('at most one builder runs, and one more is started for what came meanwhile', async () => {
  const home = tempDir()
  const start = builderStarter(script(home, 'echo start >> "$HOME_DIR/log"; n=0; while [ ! -e "$HOME_DIR/go" ] && [ -d "$HOME_DIR" ] && [ $((n += 1)) -lt 1000 ]; do sleep 0.02; done; echo end >> "$HOME_DIR/log"'), fail)
  for (let call = 0; call < 5; call++) start()
  await expect.poll(() => log(home)).toEqual(['start'])
  start()
  await pause(100)
  expect(log(home)).toEqual(['start'])
  writeFileSync(join(home, 'go'), '')
  await expect.poll(() => log(home)).toEqual(['start', 'end', 'start', 'end'])
  await pause(100)
  expect(log(home)).toHaveLength(4)
  start()
  await expect.poll(() => log(home)).toHaveLength(6)
})

test('the builder is in a session of its own, with nothing open but /dev/null', async () => {
  const home = tempDir()
  builderStarter(script(home, 'ps -o sid= -p $$ | tr -d " " > "$HOME_DIR/sid.new"; echo $$ > "$HOME_DIR/pid"; open=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo "$open" > "$HOME_DIR/open"; mv "$HOME_DIR/sid.new" "$HOME_DIR/sid"'), fail)()
  await expect.poll(() => existsSync(join(home, 'sid'))).toBe(true)
  expect(readFileSync(join(home, 'sid'), 'utf8')).toBe(readFileSync(join(home, 'pid'), 'utf8'))
  if (process.platform === 'linux') expect(readFileSync(join(home, 'open'), 'utf8')).toBe('/dev/null\n/dev/null\n/dev/null\n')
})

test.each([
  { code: 'ENOENT', how: 'an event', args: [] },
  { code: 'E2BIG', how: 'an error that is thrown', args: ['x'.repeat(4 * 1024 ** 2)] },
])('a builder that cannot be started, which Node says by $how, is told, and tried again with the next entry', async ({ code, args }) => {
  const errors: Error[] = []
  const start = builderStarter({ command: code === 'ENOENT' ? join(tempDir(), 'nothing') : '/bin/sh', args, env: {} }, (error) => void errors.push(error))
  start()
  await expect.poll(() => errors).toMatchObject([{ code }])
  start()
  await expect.poll(() => errors).toHaveLength(2)
})

function script(home: string, text: string) {
  return { command: '/bin/sh', args: ['-c', text], env: { PATH: process.env['PATH'], HOME_DIR: home } }
}

function log(home: string): string[] {
  const path = join(home, 'log')
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
}

function fail(error: Error): void {
  throw error
}
