import { spawnSync } from 'node:child_process'
import { readFileSync, statSync, type Stats } from 'node:fs'
import { isCode } from '../disk/read.ts'
import { PlanError } from './plan-error.ts'
import { readPlaceholders } from './read-placeholders.ts'
import { scanQuotes } from './scan-quotes.ts'

const largest = 1024 * 1024

/** Chunks that were read, as long as their files stay as they are: one builder makes many scripts of few chunks. */
const known = new Map<string, { state: string; text: string }>()

/**
 * A chunk's bash text, with amp_ci's placeholders read as variables, ending in a newline.
 * @throws {PlanError} where it is no readable file of bash text, or would swallow the chunks that follow it
 */
export function readChunk(path: string): string {
  const { ino, size, mtimeMs, ctimeMs } = statOfFile(path)
  const state = `${ino} ${size} ${mtimeMs} ${ctimeMs}`
  const remembered = known.get(path)
  if (remembered?.state === state) return remembered.text
  if (size > largest) throw new PlanError(`chunk ${path}: expected at most 1 MiB of bash text, it has ${size} bytes`)
  const text = readAsBash(path)
  known.set(path, { state, text })
  return text
}

function statOfFile(path: string): Stats {
  const found = statSync(path)
  if (found.isFile()) return found
  throw new PlanError(`chunk ${path}: expected a file of bash text, it is ${found.isDirectory() ? 'a directory' : 'a special file'}`)
}

function readAsBash(path: string): string {
  const text = asLines(readText(path))
  if (text.includes('\0')) throw new PlanError(`chunk ${path}: expected bash text, but it holds a NUL byte`)
  const { literals, open } = scanQuotes(text)
  if (open !== undefined) refuseIfUnfinished(path, text, open)
  try {
    return readPlaceholders(text, literals)
  } catch (error) {
    if (error instanceof PlanError) throw new PlanError(`chunk ${path}, ${error.message}`, { cause: error })
    throw error
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'EACCES')) throw new PlanError(`chunk ${path} is not readable for this user; chmod a+r ${path}`, { cause: error })
    throw error
  }
}

/** Without a byte order mark and carriage returns at line ends; a last line that a backslash would join to the next is ended. */
function asLines(text: string): string {
  const lines = text.replace(/^\ufeff/, '').replace(/\r\n/g, '\n')
  if (lines.endsWith('\\')) return `${lines}\n\n`
  if (lines.endsWith('\\\n')) return `${lines}\n`
  return lines === '' || lines.endsWith('\n') ? lines : `${lines}\n`
}

/** The scan is cheap and may be wrong about exotic text; bash has the last word. Its `-n` reads without executing. */
function refuseIfUnfinished(path: string, text: string, { what, line }: { what: string; line: number }): void {
  const { stderr, error } = spawnSync('bash', ['--norc', '-n'], { input: text, encoding: 'utf8' })
  if (error !== undefined || stderr === '') return
  throw new PlanError(`chunk ${path}: ${what} opened on line ${line} is not closed, so it would swallow what follows; bash says: ${stderr.trim()}`)
}
