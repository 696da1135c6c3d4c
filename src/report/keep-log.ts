import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

class TooLarge extends Error {}

/** Writes a log gzipped to `target` and returns the bytes of that, or undefined, with no file left, where they would exceed `limit`. */
export async function keepLog(path: string, target: string, limit: number): Promise<number | undefined> {
  let bytes = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      done(bytes > limit ? new TooLarge() : null, chunk)
    },
  })
  try {
    await pipeline(createReadStream(path), createGzip(), counter, createWriteStream(target, { flush: true }))
    return bytes
  } catch (error) {
    rmSync(target, { force: true })
    if (error instanceof TooLarge) return undefined
    throw error
  }
}
