import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openConsoleLog } from '../../src/record/console-log.ts'
import { canMount, smallDisk } from '../helpers/small-disk.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const MiB = 1024 * 1024

test('a log under its limit is kept to the byte', () => {
  const path = join(tempDir(), 'console.log')
  const log = openConsoleLog(path, 10 * MiB)
  log.write(Buffer.from('one\n'))
  log.write(Buffer.from([0, 255, 10]))
  log.close()
  expect(readFileSync(path)).toEqual(Buffer.from([...Buffer.from('one\n'), 0, 255, 10]))
})

test.each([1, 7, 4096, 300_000])('a log over its limit keeps head and tail, and says how much is missing, in pieces of %i kB', (piece) => {
  const path = join(tempDir(), 'console.log')
  const log = openConsoleLog(path, 2 * MiB)
  const lines = Buffer.from(Array.from({ length: 700_000 }, (_, line) => String(line).padStart(9)).join('\n'))
  const size = Math.min(piece * 1024, lines.length)
  for (let at = 0; at < lines.length; at += size) log.write(lines.subarray(at, at + size))
  log.close()
  const kept = readFileSync(path)
  const marker = `\n[quern: ${lines.length - 2 * MiB} bytes left out here: the log is limited to ${2 * MiB} bytes]\n`
  expect(log.bytes).toBe(lines.length)
  expect(kept.subarray(0, MiB).equals(lines.subarray(0, MiB))).toBe(true)
  expect(kept.subarray(MiB, MiB + marker.length).toString()).toBe(marker)
  expect(kept.subarray(MiB + marker.length).equals(lines.subarray(lines.length - MiB))).toBe(true)
})

test('a log whose tail just fits has no marker', () => {
  const path = join(tempDir(), 'console.log')
  const log = openConsoleLog(path, 2 * MiB)
  const output = Buffer.alloc(2 * MiB, 'x')
  log.write(output.subarray(0, 1_500_000))
  log.write(output.subarray(1_500_000))
  log.close()
  expect(readFileSync(path).equals(output)).toBe(true)
})

test('a full disk is told when the log is closed', () => {
  const log = openConsoleLog('/dev/full', 10 * MiB)
  log.write(Buffer.from('lost\n'))
  expect(() => log.close()).toThrow('writing /dev/full: ENOSPC')
})

test.skipIf(!canMount)('what did not fit on a full disk is written when there is room again, behind a line that says so', () => {
  const { path: disk } = smallDisk(64 * 1024)
  const path = join(disk, 'console.log')
  const log = openConsoleLog(path, 10 * MiB)
  log.write(Buffer.from('before\n'))
  fill(join(disk, 'big'))
  const lost = Buffer.alloc(10_000, 'x')
  log.write(lost)
  log.write(Buffer.from('after\n'))
  rmSync(join(disk, 'big'))
  log.close()
  const kept = readFileSync(path, 'utf8')
  expect(kept.replace(/\n\[quern: from here on the log could not be written while the run went on \(ENOSPC[^\n]*\)\]\n/, '')).toBe(`before\n${lost.toString()}after\n`)
  expect(kept).toContain('[quern:')
})

function fill(path: string): void {
  try {
    appendFileSync(path, Buffer.alloc(MiB))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  }
}
