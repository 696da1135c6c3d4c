import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { pino, type Logger } from 'pino'

export type { Logger } from 'pino'

/** Bytes after which a log file is set aside, and how many of those are kept. */
const limit = 10 * 1024 * 1024
const kept = 5

/**
 * Opens a log of JSON lines. Lines are written at once, so that the last one before a crash is there.
 * A full file is renamed to `<path>.1`, the older ones move up, the oldest goes.
 */
export function openLog(path: string): Logger {
  return pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, rotating(path))
}

function rotating(path: string): { write(line: string): void } {
  let descriptor = openSync(path, 'a')
  let size = fstatSync(descriptor).size
  return {
    write(line) {
      if (size > limit) {
        closeSync(descriptor)
        rotate(path)
        descriptor = openSync(path, 'a')
        size = fstatSync(descriptor).size
      }
      try {
        size += writeSync(descriptor, line)
      } catch (error) {
        // A full disk must not end the receiver or the builder; what matters is in the queue and in the records.
        process.stderr.write(`writing ${path}: ${(error as Error).message}\n${line}`)
      }
    },
  }
}

/** Two processes may rotate at once: the loser finds a name gone, which is what it wanted. */
function rotate(path: string): void {
  for (let age = kept - 1; age >= 0; age--) {
    try {
      renameSync(age === 0 ? path : `${path}.${age}`, `${path}.${age + 1}`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
