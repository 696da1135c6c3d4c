import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
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

/** Whether the server is out of order or away, which passes. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof PatchworkError)) return false
  return error.status === undefined ? error.cause !== undefined : error.status >= 500 || error.status === 429
}

/** The detail of an answer that says it is well and is none of Patchwork's: a page, or half of what should have come. */
export const notOfPatchwork = 'not of Patchwork'

/** Whether something else answered in the server's place: a proxy while the server is away, or for good where the address is wrong. */
export function isForeign(error: unknown): boolean {
  return error instanceof PatchworkError && error.detail === notOfPatchwork
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
  signal?: AbortSignal | undefined
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  url: URL
}

interface Agents {
  http: HttpAgent
  https: HttpsAgent
}

/** Seconds that a request waits at most because the server asked for it; longer wishes are handed to the caller. */
const longestWait = 30

/** Makes requests to one server at a bounded pace, each bounded in time and size. */
export function openHttp(options: HttpOptions): (call: Call) => Promise<Answer> {
  let next = 0
  const agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) }
  return async function request(call) {
    for (let attempt = 1; ; attempt++) {
      // Not by the clock on the wall: after a step back every request would wait for as long as the step was.
      const now = performance.now()
      const start = Math.max(now, next)
      next = start + options.interval
      if (start > now) await sleep(start - now)
      try {
        return await requestOnce(call, options, agents)
      } catch (error) {
        const wait = attempt < options.tries && call.method === 'GET' ? pause(error, options.backOff * 2 ** (attempt - 1)) : undefined
        call.signal?.throwIfAborted()
        if (wait === undefined) throw error
        await sleep(wait, undefined, { signal: call.signal })
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

async function requestOnce(call: Call, options: HttpOptions, agent: Agents): Promise<Answer> {
  const what = `${call.method} ${call.url.href}`
  const { status, headers, body } = await exchange(call, options, agent).catch((error: unknown) => {
    if (error instanceof PatchworkError) throw error
    throw new PatchworkError(`${what}: no answer: ${(error as Error).message}`, { cause: error })
  })
  if (status >= 200 && status < (call.method === 'GET' ? 400 : 300)) return { status, headers, body, url: call.url }
  throw refusal(what, { status, headers }, body)
}

/** Node's own client: a kept connection costs half of what fetch costs, and a body can be bounded as it comes. */
function exchange({ method, url, accept, token, json, signal }: Call, { userAgent, timeout, maxBytes }: HttpOptions, agents: Agents): Promise<Omit<Answer, 'url'>> {
  const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
  const headers = {
    accept,
    'user-agent': userAgent,
    ...(token !== undefined && { authorization: `Token ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
  }
  return new Promise((resolve, reject) => {
    const [send, agent] = url.protocol === 'https:' ? [httpsRequest, agents.https] : [httpRequest, agents.http]
    const request = send(url, { method, headers, agent, ...(signal !== undefined && { signal }) })
    const timer = setTimeout(() => request.destroy(new Error(`nothing within ${timeout / 1000} s`)), timeout)
    request.on('close', () => clearTimeout(timer))
    request.on('error', (error: NodeJS.ErrnoException) => reject(error.message === '' ? new Error(error.code ?? error.name, { cause: error }) : error))
    request.on('response', (response) => collect(response, maxBytes, `${method} ${url.href}`).then(resolve, reject))
    request.end(body)
  })
}

function collect(response: IncomingMessage, maxBytes: number, what: string): Promise<Omit<Answer, 'url'>> {
  const status = response.statusCode ?? 0
  const parts: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    response.on('data', (part: Buffer) => {
      size += part.length
      if (size > maxBytes) response.destroy(new PatchworkError(`${what}: the answer is longer than ${maxBytes} bytes`, { status, detail: 'answer too long' }))
      else parts.push(part)
    })
    response.on('error', reject)
    response.on('end', () => resolve({ status, headers: response.headers, body: Buffer.concat(parts, size) }))
  })
}

function refusal(what: string, response: Pick<Answer, 'status' | 'headers'>, body: Buffer): PatchworkError {
  const detail = detailOf(response, body)
  const retryAfter = secondsOf(response.headers['retry-after'])
  return new PatchworkError(`${what}: ${response.status}${detail === '' ? '' : `: ${detail}`}`, { status: response.status, detail, retryAfter })
}

/** The server's words: the fields of a JSON answer, the title or the first line of an HTML one. */
function detailOf({ status, headers }: Pick<Answer, 'status' | 'headers'>, body: Buffer): string {
  const text = body.subarray(0, 20_000).toString('utf8')
  if (status >= 300 && status < 400) return `redirects to ${readableLine(headers.location ?? 'nowhere')}`
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
function secondsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header)) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000))
}
