import { readFileSync } from 'node:fs'
import { isCode } from '../disk/read.ts'
import { readableLine } from '../model/readable.ts'
import { parseRequest, RequestError, type Request } from '../model/request.ts'

/** Bytes. A push with all its names is a few KB. */
export const largest = 1024 * 1024

/** The text of an entry: the request, and what the queue itself must find again from a bare link to the file. */
export function entryText(request: Request, name: string, low: boolean): string {
  return `${JSON.stringify({ ...request, entry: name, ...(low && { low }) })}\n`
}

/** The request in an entry's file, or why there is none; undefined where the file is gone. */
export function readEntry(path: string, size: number): { request: Request } | { problem: string } | undefined {
  if (size > largest) return { problem: `it has ${size} bytes, more than the ${largest} that an entry may have` }
  try {
    return { request: parseRequest(parseJson(readFileSync(path, 'utf8'))) }
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    if (error instanceof RequestError) return { problem: readableLine(error.message) }
    return { problem: readableLine(`it cannot be read: ${(error as Error).message}`) }
  }
}

/** The entry that a delivery's link belongs to. @throws where the link is gone or damaged */
export function readLink(path: string): { name: string; low: boolean } {
  const { entry, low } = JSON.parse(readFileSync(path, 'utf8')) as { entry?: unknown; low?: unknown }
  if (typeof entry !== 'string' || entry.includes('/')) throw new Error(`reading ${path}: expected an entry of the queue with its name in "entry"; remove the file to have the delivery accepted anew`)
  return { name: entry, low: low === true }
}

/** Editors of another system put a byte order mark in front. */
function parseJson(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''))
}
