import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { openRegular } from '../disk/open-regular.ts'
import type { BuildId } from '../model/build.ts'
import { readRecord } from './read-record.ts'

/** Logs that are read at the same time. */
const mostReaders = 16

/** Where the log of a run is, by the directory that an address names; undefined where the build has no such run. */
export async function findLog(home: string, build: BuildId, directory: string): Promise<string | undefined> {
  const record = await readRecord(home, build)
  return record?.directories.includes(directory) ? join(record.directory, 'runs', directory, 'console.log') : undefined
}

/** Sends logs byte by byte as they are, in constant memory, so far as they are written when they are asked for. */
export function openLogSender(): (c: Context, path: string) => Promise<Response> {
  let readers = 0
  return sendLog

  async function sendLog(c: Context, path: string): Promise<Response> {
    const file = await openRegular(path)
    if (file === undefined) throw new HTTPException(404)
    const { size, mtimeMs } = await file.stat()
    const tag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': String(size), ETag: tag }
    const isKnown = c.req.header('If-None-Match')?.includes(tag) === true
    if (!isKnown && c.req.method === 'GET' && size > 0 && readers < mostReaders) {
      readers++
      const stream = file.createReadStream({ start: 0, end: size - 1 }).once('close', () => readers--)
      return c.body(Readable.toWeb(stream) as ReadableStream, 200, headers)
    }
    await file.close()
    if (isKnown) return c.body(null, 304, { ETag: tag })
    if (c.req.method === 'GET' && size > 0) throw new HTTPException(503)
    return c.body(null, 200, headers)
  }
}
