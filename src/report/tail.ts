import { openRegular } from '../disk/open-regular.ts'
import { readable } from '../model/readable.ts'
import { decode } from './encoding.ts'

/** The end of a log. */
export interface Tail {
  /** Bytes of the log. */
  bytes: number
  /** Its last lines, all of it where it is short; readable. */
  tail: string
  /** Bytes that the tail leaves out. */
  leftOut: number
}

/** Reads the end of a log, at most `limit` bytes. A log that is not there is empty. */
export async function readTail(path: string, limit: number): Promise<Tail> {
  const file = await openRegular(path)
  if (file === undefined) return { bytes: 0, tail: '', leftOut: 0 }
  try {
    const { size: bytes } = await file.stat()
    const cut = Math.max(0, bytes - limit)
    // An even number of bytes before it keeps the characters of UTF-16 whole.
    const start = Math.min(cut + (cut % 2), bytes)
    const end = Buffer.alloc(bytes - start)
    await file.read(end, 0, end.length, start)
    const whole = start === 0 ? end : end.subarray(firstWhole(end))
    return { bytes, tail: readable(decode(whole)).replace(/\n+$/, ''), leftOut: bytes - whole.length }
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
