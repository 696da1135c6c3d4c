import { createHmac, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'

export const secret = 'not-a-real-secret'

export interface Load {
  /** Deliveries answered 2xx: all, and a second. */
  count: number
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/** Sends signed pushes over 32 connections, each one after the other, for so many seconds; every delivery has its own id. */
export async function sendPushes(port: number, path: string, seconds: number): Promise<Load> {
  const until = performance.now() + seconds * 1000
  const start = performance.now()
  const latencies = (await Promise.all(Array.from({ length: 32 }, () => talk(port, path, until)))).flat()
  const rate = latencies.length / ((performance.now() - start) / 1000)
  latencies.sort((one, other) => one - other)
  return { count: latencies.length, rate, p50: latencies[Math.floor(latencies.length * 0.5)]!, p99: latencies[Math.floor(latencies.length * 0.99)]! }
}

/** A push that GitHub sent, with the commits of a longer one: 10 KB. */
const body = pushOf(10_000)
const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

function pushOf(bytes: number): string {
  const push = JSON.parse(readFileSync(new URL('../../test/fixtures/github/push.json', import.meta.url), 'utf8'))
  while (JSON.stringify(push).length < bytes) push.commits.push(push.commits[0])
  return JSON.stringify(push)
}

/** One connection, written by hand: an HTTP client would cost as much as the servers that are measured. */
function talk(port: number, path: string, until: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = []
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    let sent = 0
    let answer = ''
    const send = () => {
      sent = performance.now()
      socket.write(`${head(path)}${body}`)
    }
    socket.on('connect', send).on('error', reject)
    socket.on('data', (data) => {
      answer += data.toString('latin1')
      const end = wholeAnswer(answer)
      if (end === undefined) return
      if (!answer.startsWith('HTTP/1.1 2')) return reject(new Error(`expected 2xx, got ${answer.slice(0, 500)}`))
      answer = answer.slice(end)
      latencies.push(performance.now() - sent)
      if (performance.now() < until) return send()
      socket.destroy()
      resolve(latencies)
    })
  })
}

function head(path: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: ${randomUUID()}\r\nX-Hub-Signature-256: ${signature}\r\n\r\n`
}

/** Where the first answer ends, or undefined while it is not whole. */
function wholeAnswer(text: string): number | undefined {
  const headers = text.indexOf('\r\n\r\n')
  if (headers === -1) return undefined
  const length = /content-length: (\d+)/i.exec(text)
  const end = headers + 4 + (length ? Number(length[1]) : 0)
  return text.length >= end ? end : undefined
}
