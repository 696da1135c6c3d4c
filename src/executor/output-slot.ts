import { execFile } from 'node:child_process'
import { closeSync, constants, ftruncateSync, openSync, readSync, rmSync } from 'node:fs'
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isCode } from '../disk/read.ts'
import { findProgram } from './find-program.ts'
import { makeTemporary } from './temporary.ts'

/**
 * Carries one run's output at a time. It is a FIFO, because a script's `echo >/dev/stderr` opens its output by name:
 * a file would be truncated by that, and Node's own pipes are sockets, which cannot be opened so. Both ends stay open
 * here from run to run, so the FIFO has no name, there is no end of file to wait for, and a process that kept the
 * write end delays nobody: once the tree has ended, `drain` takes what is left.
 */
export interface OutputSlot {
  /** The write end, to be a run's standard output and error. */
  readonly descriptor: number
  /** A file that takes what the programs around the script complain about; the script's own errors go to the output. */
  readonly complaints: number
  /** Hands over output from now on. */
  listen(output: (chunk: Uint8Array) => void): void
  /** Hands over what is still in the FIFO, and stops handing over. */
  drain(): void
  /** The complaints so far, which are forgotten. */
  takeComplaints(): string
  /** Closes it, where something may be left that still writes into it. */
  close(): void
}

const execute = promisify(execFile)

const bufferSize = 256 * 1024

/**
 * Who prints by the line is not looked at for each of them: after fewer bytes than this, `pause` milliseconds pass before
 * the next look. What fills the FIFO meanwhile, and so waits for us, prints larger pieces.
 */
const drip = 1024
const pause = 4

/** What one drain takes at most: more than any FIFO holds, so that a survivor which writes for ever cannot hold us. */
const drainLimit = 16 * 1024 * 1024

/** Slots that no run uses just now. There are never more than ran at once. */
const idle: OutputSlot[] = []

/** @throws where mkfifo is missing or the directory for temporary files cannot be written */
export async function takeOutputSlot(): Promise<OutputSlot> {
  return idle.pop() ?? (await openOutputSlot())
}

/** Gives a slot back that nobody else can write into any more; any other is to be closed. */
export function giveOutputSlot(slot: OutputSlot): void {
  idle.push(slot)
}

async function openOutputSlot(): Promise<OutputSlot> {
  const { reader, writer, complaints } = await openDescriptors()
  const buffer = Buffer.allocUnsafe(bufferSize)
  let deliver: ((chunk: Uint8Array) => void) | undefined
  let timer: NodeJS.Timeout | undefined
  const receive = (length: number, bytes: Uint8Array) => {
    deliver?.(bytes.subarray(0, length))
    if (length >= drip) return true
    timer = setTimeout(() => socket.resume(), pause).unref()
    return false
  }
  // Node's types know `onread` for connecting sockets only; its constructor takes it all the same.
  const options: SocketConstructorOpts & Pick<ConnectOpts, 'onread'> = { fd: reader, readable: true, writable: false, onread: { buffer, callback: receive } }
  const socket = new Socket(options)
  socket.on('error', () => {})
  socket.unref()
  return {
    descriptor: writer,
    complaints,
    listen: (output) => {
      deliver = output
    },
    drain: () => {
      for (let taken = 0, length = 1; length > 0 && taken < drainLimit; taken += length) {
        length = readNow(reader, buffer)
        if (length > 0) deliver?.(buffer.subarray(0, length))
      }
      deliver = undefined
    },
    takeComplaints: () => takeText(complaints),
    close: () => {
      deliver = undefined
      clearTimeout(timer)
      socket.destroy()
      closeSync(writer)
      closeSync(complaints)
    },
  }
}

async function openDescriptors(): Promise<{ reader: number; writer: number; complaints: number }> {
  const directory = makeTemporary('output')
  try {
    const path = join(directory, 'output')
    // Others may write: a sandboxed run has another uid, and opening /dev/stderr by name asks for this permission.
    await execute(findProgram('mkfifo') ?? 'mkfifo', ['-m', '0622', path]).catch((error: Error & { stderr?: string }) => {
      throw new Error(`making a FIFO for output with mkfifo ${path}: ${error.stderr?.trim() || error.message}`, { cause: error })
    })
    return {
      reader: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
      writer: openSync(path, constants.O_WRONLY),
      complaints: openSync(join(directory, 'complaints'), 'a+', 0o600),
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Bytes that can be read without waiting; 0 where there are none. That is an error, whose stack costs more than all reading. */
function readNow(descriptor: number, buffer: Buffer): number {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return readSync(descriptor, buffer)
  } catch (error) {
    if (isCode(error, 'EAGAIN')) return 0
    throw error
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function takeText(descriptor: number): string {
  const buffer = Buffer.allocUnsafe(4096)
  const text = buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, 0))
  if (text !== '') ftruncateSync(descriptor)
  return text.trim()
}
