import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { takeLock } from '../../src/disk/lock.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('where flock is there and cannot be started, that is told, and not that it is missing', () => {
  const directory = tempDir()
  // A loop of links stands for what passes, like no process being left: it is neither missing nor forbidden.
  symlinkSync('flock', join(directory, 'flock'))
  withPath(directory)
  expect(() => takeLock(join(directory, 'lock'))).toThrow(/^locking .*\/lock: starting flock: .*ELOOP/)
})

test('where neither flock nor perl is there, what to install is told', () => {
  const directory = tempDir()
  withPath(directory)
  expect(() => takeLock(join(directory, 'lock'))).toThrow(/neither flock nor perl is on PATH; install util-linux$/)
})

/** For the rest of the test. */
function withPath(path: string): void {
  const before = process.env['PATH']
  process.env['PATH'] = path
  onTestFinished(() => void (process.env['PATH'] = before))
}
