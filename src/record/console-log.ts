import { closeSync, openSync, writeSync } from 'node:fs'

/** Writes what a run prints straight to its console.log, bounded: past the limit only the newest output is kept, in memory. */
export interface ConsoleLog {
  write(chunk: Uint8Array): void
  /** Bytes that the run printed. */
  readonly bytes: number
  /** Writes what was held back, behind a line that says what is missing, and closes the file. @throws where that cannot be written either */
  close(): void
}

/** Bytes of the newest output that are kept when a log is cut. */
const tailSize = 1024 * 1024

/** @param limit bytes of output that are kept in the file: its head, then the last MiB */
export function openConsoleLog(path: string, limit: number): ConsoleLog {
  const descriptor = openSync(path, 'w')
  const head = Math.max(limit - tailSize, 0)
  const tail = openTail(Math.min(tailSize, limit))
  let bytes = 0
  let failure: Error | undefined
  return {
    write(chunk) {
      const room = failure === undefined ? Math.min(Math.max(head - bytes, 0), chunk.length) : 0
      bytes += chunk.length
      const kept = put(chunk.subarray(0, room))
      if (kept < chunk.length) tail.push(chunk.subarray(kept))
    },
    get bytes() {
      return bytes
    },
    close() {
      put(Buffer.from(gap(takeFailure(), { dropped: tail.dropped(), limit })))
      for (const part of tail.parts()) put(part)
      closeSync(descriptor)
      const failed = takeFailure()
      if (failed !== undefined) throw new Error(`writing ${path}: ${failed.message}`, { cause: failed })
    },
  }

  /** Writes to the file and returns how many bytes it took. On a full disk the run goes on: what follows is held back like the end of a long log. */
  function put(data: Uint8Array): number {
    let offset = 0
    try {
      while (offset < data.length) offset += writeSync(descriptor, data, offset)
    } catch (error) {
      failure ??= error as Error
    }
    return offset
  }

  function takeFailure(): Error | undefined {
    const taken = failure
    failure = undefined
    return taken
  }
}

/** The line between the head and what was held back. */
function gap(failure: Error | undefined, { dropped, limit }: { dropped: number; limit: number }): string {
  if (failure !== undefined) return `\n[quern: from here on the log could not be written while the run went on (${failure.message})${dropped > 0 ? `: ${dropped} bytes left out` : ''}]\n`
  return dropped > 0 ? `\n[quern: ${dropped} bytes left out here: the log is limited to ${limit} bytes]\n` : ''
}

/** The last `size` bytes pushed, in a ring that is only allocated when there is something to hold. */
function openTail(size: number): { push(data: Uint8Array): void; parts(): Uint8Array[]; dropped(): number } {
  let ring: Buffer | undefined
  let total = 0
  return {
    push(data) {
      ring ??= Buffer.alloc(size)
      const newest = data.subarray(Math.max(data.length - size, 0))
      const start = (total + data.length - newest.length) % size
      const first = newest.subarray(0, size - start)
      ring.set(first, start)
      ring.set(newest.subarray(first.length), 0)
      total += data.length
    },
    parts() {
      if (ring === undefined) return []
      const end = total % size
      return total <= size ? [ring.subarray(0, total)] : [ring.subarray(end), ring.subarray(0, end)]
    },
    dropped: () => Math.max(total - size, 0),
  }
}
