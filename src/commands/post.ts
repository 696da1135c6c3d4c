import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { request as secureRequest } from 'node:https'
import { text as textOf } from 'node:stream/consumers'

export interface Post {
  url: string
  headers: Record<string, string>
  text: string
  /** Whether a certificate for another name, or a self-signed one, will do. */
  anyCertificate: boolean
}

/** Milliseconds for all of it. */
const patience = 15_000

/** Posts the text and returns the answer; redirections are not followed. Not fetch, which cannot be told about certificates. */
export async function post({ url, headers, text, anyCertificate }: Post): Promise<{ status: number; text: string }> {
  const options = { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(text) }, rejectUnauthorized: !anyCertificate, signal: AbortSignal.timeout(patience), agent: false as const }
  const sent = (url.startsWith('https:') ? secureRequest : request)(url, options)
  sent.end(text)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode!, text: await textOf(response) }
}
