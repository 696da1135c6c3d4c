import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isCode } from '../disk/read.ts'
import { makeDirectory } from '../disk/write.ts'
import type { Logger } from '../log/open-log.ts'
import { findDecisions, findNamed } from './find-decisions.ts'
import type { Decision, Ledger } from './ledger.ts'

interface DayFile {
  date: string
  descriptor: number
  /** Whether the file ends within a line, so that the next one has to start with a newline. */
  torn: boolean
}

/**
 * Opens the ledger in a directory, which need not exist. Each decision is one line, and lines are added by one write in
 * append mode, so that receiver and builder write the same file without a lock.
 */
export function openLedger(directory: string, log?: Logger): Ledger {
  let day: DayFile | undefined

  return { decide, find: (key) => findDecisions(directory, key), findNamed: (names) => findNamed(directory, names) }

  function decide(...decisions: Decision[]): void {
    const at = new Date().toISOString()
    try {
      append(today(at.slice(0, 10)), decisions.map((decision) => `${JSON.stringify({ at, ...decision })}\n`).join(''))
    } catch (error) {
      for (const decision of decisions) log?.error({ err: error, decision }, `writing a decision to ${directory} failed`)
    }
  }

  function today(date: string): DayFile {
    if (day?.date === date) return day
    if (day !== undefined) closeSync(day.descriptor)
    day = undefined
    day = openDay(directory, date)
    return day
  }
}

function append(day: DayFile, lines: string): void {
  const bytes = Buffer.from(day.torn ? `\n${lines}` : lines)
  const written = writeSync(day.descriptor, bytes)
  if (written > 0) day.torn = written < bytes.length
  if (written < bytes.length) throw new Error(`wrote ${written} of ${bytes.length} bytes; the disk is probably full`)
}

function openDay(directory: string, date: string): DayFile {
  const descriptor = openAppending(directory, `${date}.jsonl`)
  const { size } = fstatSync(descriptor)
  const last = Buffer.alloc(1)
  const torn = size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
  return { date, descriptor, torn }
}

function openAppending(directory: string, name: string): number {
  try {
    return openSync(join(directory, name), 'a+')
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    return openSync(join(makeDirectory(directory), name), 'a+')
  }
}
