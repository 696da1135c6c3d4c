import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { secret } from './load.ts'
import type { Server } from './start-server.ts'

const megabyte = 1024 * 1024

/** Resident memory of a process in MB: now, and the most since `forgetPeak`. */
export function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024
  return { now: field('VmRSS'), peak: field('VmHWM') }
}

/** Processor time of a process and of the children that it waited for, in microseconds; a tick is 10 ms on Linux. */
export function processorTimeOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ').map(Number)
  return (fields[11]! + fields[12]! + fields[13]! + fields[14]!) * 10_000
}

/** https://www.kernel.org/doc/html/latest/filesystems/proc.html: 5 resets the peak. */
function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** How many MB of memory a body of 200 MB costs that nobody signed: without a signature, and with an invented one and no length. */
export async function costOfLargeBody({ port, path, pid }: Server, signed: boolean): Promise<{ before: number; cost: number; answer: string }> {
  forgetPeak(pid)
  const before = memoryOf(pid).now
  const answer = await pour(port, path, signed)
  return { before, cost: memoryOf(pid).peak - before, answer }
}

function pour(port: number, path: string, signed: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const frame = Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
    const signature = signed ? `X-Hub-Signature-256: sha256=${'0'.repeat(64)}\r\n` : ''
    let answer = ''
    let sent = 0
    const more = () => {
      while (sent < 200 * megabyte && !socket.destroyed) {
        sent += chunk.length
        if (!socket.write(signed ? frame : chunk)) return socket.once('drain', more)
      }
    }
    const length = signed ? 'Transfer-Encoding: chunked' : `Content-Length: ${200 * megabyte}`
    socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${length}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: ${secret}\r\n${signature}\r\n`)
    socket.on('data', (data) => (answer += data.toString())).on('error', () => {}).on('close', () => resolve(answer.split('\r\n')[0]!))
    more()
  })
}
