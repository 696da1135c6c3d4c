import { armFault, disarmFault } from '../helpers/fault.mjs'
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openLog } from '../../src/log/open-log.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const full = 'x'.repeat(10 * 1024 * 1024 + 1)

function aFullLog(directory = tempDir()): string {
  const path = join(directory, 'build.log')
  writeFileSync(path, full)
  return path
}

test('a full log is set aside, six files in all are kept, and nothing that is written is lost', () => {
  const path = aFullLog()
  const log = openLog(path)
  for (let number = 1; number <= 7; number++) {
    log.info(`line ${number}`)
    writeFileSync(path, full, { flag: 'a' })
  }
  log.info('last')
  expect(readFileSync(path, 'utf8')).toContain('last')
  expect([1, 2, 3, 4, 5].map((age) => /line \d/.exec(readFileSync(`${path}.${age}`, 'utf8'))?.[0])).toEqual(['line 7', 'line 6', 'line 5', 'line 4', 'line 3'])
  expect(existsSync(`${path}.6`)).toBe(false)
})

test('of two that write one log, the other follows when one sets it aside', () => {
  const path = aFullLog()
  const [one, quiet] = [openLog(path), openLog(path)]
  one.info('from one')
  quiet.info('from the quiet one')
  expect(readFileSync(path, 'utf8').match(/from [\w ]+/g)).toEqual(['from one', 'from the quiet one'])
  expect(readFileSync(`${path}.1`, 'utf8')).toBe(full)
})

test.each([
  ['set aside', (path: string) => renameSync(path, `${path}.old`)],
  ['removed', (path: string) => rmSync(path)],
])('a log that was %s by hand is made anew', (_, change) => {
  const path = join(tempDir(), 'build.log')
  const log = openLog(path)
  log.info('before')
  change(path)
  log.info('after')
  expect(readFileSync(path, 'utf8').match(/before|after/g)).toEqual(['after'])
})

test.each(['rename', 'open'])('a full log that cannot be set aside, since %s fails, ends nobody, grows on, and closes no file of others', (call) => {
  const path = aFullLog()
  const complaints = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => complaints.mockRestore())
  const log = openLog(path)
  armFault({ calls: [call], at: 1, error: 'EACCES', under: path })
  onTestFinished(disarmFault)
  log.info('one')
  const other = openSync(join(tempDir(), 'other'), 'w')
  log.info('two')
  closeSync(other)
  expect([path, `${path}.1`].map((name) => (existsSync(name) ? readFileSync(name, 'utf8') : '')).join('').match(/one|two/g)?.toSorted()).toEqual(['one', 'two'])
  expect(complaints.mock.calls.map(([text]) => String(text)).join('')).toContain(`setting ${path} aside: EACCES`)
})
