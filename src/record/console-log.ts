import { closeSync, openSync, writeSync } from 'node:fs'

/** Writes what a run prints straight to its console.log, bounded: past the limit only the newest output is kept, in memory. */
export interface ConsoleLog {
  write(chunk: Uint8Array): void
  /** Bytes that the run printed. */
  readonly bytes: number
  /** Writes what was held back, behind a line that says what is missing, and closes the file. @throws where output could not be written */
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
  const put = (data: Uint8Array) => {
    try {
      for (let offset = 0; offset < data.length; ) offset += writeSync(descriptor, data, offset)
    } catch (error) {
      // A full disk: the run goes on, and the one who closes the log hears of it.
      failure ??= error as Error
    }
  }
  return {
    write(chunk) {
      const room = failure === undefined ? Math.max(head - bytes, 0) : 0
      bytes += chunk.length
      if (room > 0) put(chunk.length > room ? chunk.subarray(0, room) : chunk)
      if (chunk.length > room) tail.push(chunk.subarray(room))
    },
    get bytes() {
      return bytes
    },
    close() {
      if (tail.dropped() > 0) put(Buffer.from(`\n[quern: ${tail.dropped()} bytes left out here: the log is limited to ${limit} bytes]\n`))
      for (const part of tail.parts()) put(part)
      closeSync(descriptor)
      if (failure !== undefined) throw new Error(`writing ${path}: ${failure.message}`, { cause: failure })
    },
  }
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
