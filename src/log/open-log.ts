import { closeSync, fstatSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { pino, type Logger } from 'pino'

export type { Logger } from 'pino'

/** Bytes after which a log file is set aside, and how many of those are kept: `<path>.1`, the newest, and so on. */
const limit = 10 * 1024 * 1024
export const keptLogs = 5

/**
 * Opens a log of JSON lines. Lines are written at once, so that the last one before a crash is there.
 * A full file is renamed to `<path>.1`, the older ones move up, the oldest goes.
 */
export function openLog(path: string): Logger {
  return pino({ base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, rotating(path))
}

function rotating(path: string): { write(line: string): void } {
  let descriptor = openSync(path, 'a')
  let { ino } = fstatSync(descriptor)
  let most = limit
  return {
    write(line) {
      try {
        keepUp()
        writeSync(descriptor, line)
      } catch (error) {
        // A full disk must not end the receiver or the builder; what matters is in the queue and in the records.
        process.stderr.write(`writing ${path}: ${(error as Error).message}\n${line}`)
      }
    },
  }

  /** Sets a full file aside, and leaves one that another process, or somebody by hand, set aside or removed: nobody would look there. */
  function keepUp(): void {
    const there = statSync(path, { throwIfNoEntry: false })
    if (there?.ino === ino && there.size <= most) return
    try {
      if (there !== undefined && there.size > most) rotate(path)
      startAnew()
      most = limit
    } catch (error) {
      // In a directory that is read-only or somebody else's now: it grows on where it is.
      most = (there?.size ?? 0) + limit
      process.stderr.write(`setting ${path} aside: ${(error as Error).message}\n`)
    }
  }

  /** The old one is closed last, so that there is always one to write to. */
  function startAnew(): void {
    const next = openSync(path, 'a')
    closeSync(descriptor)
    descriptor = next
    ino = fstatSync(descriptor).ino
  }
}

/** Two processes may rotate at once: the loser finds a name gone, which is what it wanted. */
function rotate(path: string): void {
  for (let age = keptLogs - 1; age >= 0; age--) {
    try {
      renameSync(age === 0 ? path : `${path}.${age}`, `${path}.${age + 1}`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
