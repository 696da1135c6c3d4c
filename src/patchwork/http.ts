import { setTimeout as sleep } from 'node:timers/promises'
import { readableLine } from '../model/readable.ts'

/** What the server answered, or that it did not, and whether asking again later can help. */
export class PatchworkError extends Error {
  override name = 'PatchworkError'
  /** The HTTP status; absent where no answer came. */
  readonly status: number | undefined
  /** The server's own words, one line. */
  readonly detail: string
  /** Seconds that the server asked to be left alone for. */
  readonly retryAfter: number | undefined

  constructor(message: string, { status, detail = '', retryAfter, cause }: { status?: number; detail?: string; retryAfter?: number | undefined; cause?: unknown }) {
    super(message, { cause })
    this.status = status
    this.detail = detail
    this.retryAfter = retryAfter
  }
}

export interface HttpOptions {
  userAgent: string
  /** Milliseconds for one request, its body included. */
  timeout: number
  /** Bytes of one answer. */
  maxBytes: number
  /** How often a reading request is tried in all, while the server is out of order. */
  tries: number
  /** Milliseconds before the second try; doubled for each further one. */
  backOff: number
  /** Milliseconds from the start of one request to the start of the next, at least. */
  interval: number
}

export interface Call {
  method: 'GET' | 'POST'
  url: URL
  accept: string
  /** Sent to that URL and nowhere else: no redirect is followed with it. */
  token?: string
  json?: unknown
}

export interface Answer {
  status: number
  headers: Headers
  body: Buffer
  url: URL
}

/** Seconds that a request waits at most because the server asked for it; longer wishes are handed to the caller. */
const longestWait = 30

/** Makes requests to one server: one after the other at a bounded pace, each bounded in time and size. */
export function openHttp(options: HttpOptions): (call: Call) => Promise<Answer> {
  let next = 0
  return async function request(call) {
    for (let attempt = 1; ; attempt++) {
      next = await inTurn(next, options.interval)
      try {
        return await requestOnce(call, options)
      } catch (error) {
        const wait = attempt < options.tries && call.method === 'GET' ? pause(error, options.backOff * 2 ** (attempt - 1)) : undefined
        if (wait === undefined) throw error
        await sleep(wait)
      }
    }
  }
}

/** Milliseconds until a failed request is worth repeating; undefined where repeating it at once cannot help. */
function pause(error: unknown, backOff: number): number | undefined {
  if (!(error instanceof PatchworkError)) return undefined
  if (error.status !== undefined && error.status < 500 && error.status !== 429) return undefined
  if (error.retryAfter === undefined) return backOff
  return error.retryAfter <= longestWait ? Math.max(error.retryAfter * 1000, backOff) : undefined
}

async function inTurn(next: number, interval: number): Promise<number> {
  const now = Date.now()
  if (next > now) await sleep(next - now)
  return Math.max(now, next) + interval
}

async function requestOnce(call: Call, { userAgent, timeout, maxBytes }: HttpOptions): Promise<Answer> {
  const what = `${call.method} ${call.url.href}`
  const headers: Record<string, string> = { accept: call.accept, 'user-agent': userAgent }
  if (call.token !== undefined) headers['authorization'] = `Token ${call.token}`
  if (call.json !== undefined) headers['content-type'] = 'application/json'
  const init: RequestInit = { method: call.method, headers, redirect: 'manual', signal: AbortSignal.timeout(timeout) }
  if (call.json !== undefined) init.body = JSON.stringify(call.json)
  try {
    const response = await fetch(call.url, init)
    const body = await readBody(response, maxBytes, what)
    if (response.status >= 200 && response.status < 300) return { status: response.status, headers: response.headers, body, url: call.url }
    if (response.status >= 300 && response.status < 400 && call.method === 'GET') return { status: response.status, headers: response.headers, body, url: call.url }
    throw refusal(what, response, body)
  } catch (error) {
    if (error instanceof PatchworkError) throw error
    throw new PatchworkError(`${what}: no answer: ${reasonOf(error, timeout)}`, { cause: error })
  }
}

async function readBody(response: Response, maxBytes: number, what: string): Promise<Buffer> {
  if (response.body === null) return Buffer.alloc(0)
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    size += part.length
    if (size > maxBytes) throw new PatchworkError(`${what}: the answer is longer than ${maxBytes} bytes`, { status: response.status, detail: 'answer too long' })
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}

function refusal(what: string, response: Response, body: Buffer): PatchworkError {
  const detail = detailOf(response, body)
  const retryAfter = secondsOf(response.headers.get('retry-after'))
  return new PatchworkError(`${what}: ${response.status}${detail === '' ? '' : `: ${detail}`}`, { status: response.status, detail, retryAfter })
}

/** The server's words: the fields of a JSON answer, the title or the first line of an HTML one. */
function detailOf(response: Response, body: Buffer): string {
  const text = body.subarray(0, 20_000).toString('utf8')
  if (response.status >= 300 && response.status < 400) return `redirects to ${readableLine(response.headers.get('location') ?? 'nowhere')}`
  const json = parsed(text)
  const words = json === undefined ? htmlLine(text) : typeof json === 'object' && json !== null ? fieldsOf(json) : String(json)
  return readableLine(words).slice(0, 300)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function fieldsOf(json: object): string {
  if ('detail' in json && typeof json.detail === 'string') return json.detail
  return Object.entries(json).map(([field, words]) => `${field}: ${[words].flat().join(' ')}`).join('; ')
}

function htmlLine(text: string): string {
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]
  return title ?? text.replace(/<[^>]*>/g, ' ').split('\n').find((line) => line.trim() !== '') ?? ''
}

/** Retry-After in seconds: a number, or a date (RFC 9110, 10.2.3). */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined
  if (/^\d+$/.test(header)) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}

function reasonOf(error: unknown, timeout: number): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `nothing within ${timeout / 1000} s`
  return error.cause instanceof Error ? error.cause.message || (error.cause as NodeJS.ErrnoException).code || error.message : error.message
}
