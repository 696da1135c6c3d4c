import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

export interface BodyBounds {
  /** Bytes of one body. */
  size: number
  /** Milliseconds until it must be complete. */
  time: number
  /** Bytes of all bodies that are being read at the same moment. */
  together: number
}

/** GitHub sends at most 25 MB: https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap */
export const bodyBounds: BodyBounds = { size: 25 * 1024 * 1024, time: 10_000, together: 100 * 1024 * 1024 }

/** Reads a body whole, as bytes. */
export type BodyReader = (incoming: IncomingMessage) => Promise<Buffer>

/**
 * Returns a reader that holds the bounds, also over all bodies together. What is past a bound is left unread.
 * The reader rejects with a Refusal: 413 too large (also where only Content-Length says so), 400 too slow or broken off,
 * 503 while too much is being read. That is the one which has been read the longest: whoever lets bodies hang, which needs
 * no secret, keeps nobody else out.
 */
export function openBodyReader({ size, time, together }: BodyBounds): BodyReader {
  let held = 0
  // Oldest first.
  const giveUps = new Set<() => void>()
  return (incoming) =>
    new Promise((resolve, reject) => {
      if (Number(incoming.headers['content-length'] ?? 0) > size) return reject(tooLarge(size))
      let chunks: Buffer[] = []
      let length = 0
      const timer = setTimeout(() => refuse(new Refusal(400, `the body was not complete after ${time / 1000} seconds`)), time)
      giveUps.add(giveUp)
      incoming.on('data', take).on('end', deliver).on('error', breakOff)

      function take(chunk: Buffer): void {
        length += chunk.length
        held += chunk.length
        chunks.push(chunk)
        if (length > size) refuse(tooLarge(size))
        else for (const give of giveUps) if (held > together) give()
      }
      function giveUp(): void {
        refuse(new Refusal(503, 'too many bodies are being received at once'))
      }
      function deliver(): void {
        const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
        leave()
        resolve(body)
      }
      function breakOff(): void {
        refuse(new Refusal(400, 'the connection ended before the body was complete'))
      }
      function refuse(refusal: Refusal): void {
        incoming.pause()
        leave()
        reject(refusal)
      }
      // The error listener stays, without the bytes: a connection that breaks later must not end the receiver.
      function leave(): void {
        chunks = []
        clearTimeout(timer)
        giveUps.delete(giveUp)
        held -= length
        length = 0
        incoming.off('data', take).off('end', deliver)
      }
    })
}

function tooLarge(size: number): Refusal {
  return new Refusal(413, `the body is larger than ${size / 1024 / 1024} MB`)
}
