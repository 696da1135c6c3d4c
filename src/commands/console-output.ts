import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { StringDecoder } from 'node:string_decoder'
import { isCode, orMissing } from '../disk/read.ts'
import { readable } from '../model/readable.ts'

/** Bytes in which the last lines are looked for. */
const tail = 64 * 1024

/** Characters after which a line is cut into pieces, so that memory stays bounded. */
const longest = 1024 * 1024

/** The last lines of a file, made readable; none where it is missing. */
export function lastLines(path: string, count: number): string[] {
  const descriptor = orMissing(() => openSync(path, 'r'))
  if (descriptor === undefined) return []
  try {
    const { size } = fstatSync(descriptor)
    const start = Math.max(size - tail, 0)
    const bytes = Buffer.alloc(size - start)
    readSync(descriptor, bytes, 0, bytes.length, start)
    const lines = readable(bytes.toString('utf8')).replace(/\n$/, '').split('\n')
    return (start > 0 ? lines.slice(1) : lines).slice(-count)
  } finally {
    closeSync(descriptor)
  }
}

/** Prints a whole console log: byte by byte as it is into a file or a pipe, made readable on a terminal. A log that is missing is empty. */
export async function printConsole(path: string): Promise<void> {
  try {
    const source = createReadStream(path)
    if (process.stdout.isTTY) await pipeline(source, readableLines, process.stdout, { end: false })
    else await pipeline(source, process.stdout, { end: false })
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

async function* readableLines(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of source) {
    rest += decoder.write(chunk)
    const end = rest.length > longest ? rest.length : rest.lastIndexOf('\n') + 1
    yield readable(rest.slice(0, end))
    rest = rest.slice(end)
  }
  yield readable(rest + decoder.end())
}
