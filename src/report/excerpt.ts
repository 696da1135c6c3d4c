import { open } from 'node:fs/promises'
import { orMissing } from '../disk/read.ts'
import { statSync } from 'node:fs'
import { readable } from '../model/readable.ts'
import { decode } from './encoding.ts'
import { openDigest, type Digest } from './digest.ts'

/** What a report shows of a run's console.log. */
export interface Excerpt {
  /** Bytes of the log. */
  bytes: number
  digest: Digest | undefined
  /** Its last lines, all of it where it is short; readable. */
  tail: string
  /** Bytes that the tail leaves out. */
  leftOut: number
}

const chunkSize = 256 * 1024

/** Reads a log once, in constant memory. `limit` is the most bytes that are shown. A log that is not there is empty. */
export async function readExcerpt(path: string, limit: number): Promise<Excerpt> {
  if (orMissing(() => statSync(path)) === undefined) return { bytes: 0, digest: undefined, tail: '', leftOut: 0 }
  const digest = openDigest()
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(chunkSize)
    let bytes = 0
    for (let size = -1; size !== 0; bytes += size) {
      size = (await file.read(buffer, 0, chunkSize, bytes)).bytesRead
      if (size > 0) digest.push(buffer.subarray(0, size))
    }
    const cut = Math.max(0, bytes - limit)
    // An even number of bytes before it keeps the characters of UTF-16 whole.
    const start = Math.min(cut + (cut % 2), bytes)
    const end = Buffer.alloc(bytes - start)
    await file.read(end, 0, end.length, start)
    const whole = start === 0 ? end : end.subarray(firstWhole(end))
    return { bytes, digest: digest.end(), tail: readable(decode(whole)).replace(/\n+$/, ''), leftOut: bytes - whole.length }
  } finally {
    await file.close()
  }
}

/** Where the first whole line begins, if there is one early enough; else the first whole UTF-8 character. */
function firstWhole(bytes: Buffer): number {
  const line = bytes.subarray(0, bytes.length >> 2).indexOf(10)
  // In UTF-16 a line feed is followed or led by a zero, which belongs to it.
  if (line >= 0) return bytes[line + 1] === 0 && line % 2 === 0 ? line + 2 : line + 1
  let start = 0
  while (start < 3 && (bytes[start]! & 0xc0) === 0x80) start++
  return start
}
