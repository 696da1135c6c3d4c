import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { isCode } from '../disk/read.ts'
import { readableLine } from '../model/readable.ts'
import { parseRequest, RequestError, type Request } from '../model/request.ts'

/** Bytes. A push with all its names is a few KB. */
const largest = 1024 * 1024

/** What the queue writes into an entry beside the request. */
const markSchema = v.object({ entry: v.pipe(v.string(), v.regex(/^[^/.][^/]*$/)), low: v.optional(v.boolean(), false) })

/**
 * The bytes of an entry: the request, and what the queue itself must find again from a bare link to the file.
 * @throws {RequestError} where no builder would take it
 */
export function entryBytes(request: Request, name: string, low: boolean): Buffer {
  const bytes = Buffer.from(`${JSON.stringify({ ...request, entry: name, ...(low && { low }) })}\n`)
  if (bytes.length > largest) throw new RequestError(`the request makes an entry of ${bytes.length} bytes, expected at most ${largest}`)
  return bytes
}

/** The request in an entry's file and the name that the queue gave the entry, if it did; or why there is no request; undefined where the file is gone. */
export function readEntry(path: string, size: number): { request: Request; given: string | undefined } | { problem: string } | undefined {
  if (size > largest) return { problem: `it has ${size} bytes, more than the ${largest} that an entry may have` }
  try {
    const data = parseJson(readFileSync(path, 'utf8'))
    const mark = v.safeParse(markSchema, data)
    return { request: parseRequest(data), given: mark.success ? mark.output.entry : undefined }
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    if (error instanceof RequestError) return { problem: readableLine(error.message) }
    // What is wrong with this process (too many open files) is not wrong with the entry.
    if (!(error instanceof SyntaxError) && !['EACCES', 'EPERM', 'EIO'].some((code) => isCode(error, code))) throw error
    return { problem: readableLine(`it cannot be read: ${(error as Error).message}`) }
  }
}

/** The name that the queue gave the entry in a file, and whether it is low. Undefined where the file is not whole. */
export function readMark(path: string): v.InferOutput<typeof markSchema> | undefined {
  try {
    return v.parse(markSchema, JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof v.ValiError) return undefined
    throw error
  }
}

/** Editors of another system put a byte order mark in front. */
function parseJson(text: string): unknown {
  return JSON.parse(text.replace(/^\uFEFF/, ''))
}
