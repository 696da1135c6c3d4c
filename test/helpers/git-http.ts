import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { gitTestEnvironment } from './git-repo.ts'

/** A git server over HTTP, by git's own http-backend. */
export interface GitHttp {
  /** `http://127.0.0.1:<port>` */
  url: string
  /** The Authorization headers that came, decoded; undefined for a request without. */
  credentials: (string | undefined)[]
}

interface GitHttpOptions {
  password?: string
  /** An origin that every request is sent on to. */
  redirect?: string
  /** Answers what is not git's; true where it did. */
  other?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** Serves the repositories under a directory until the test ends; with a password, only to whoever sends it. */
export async function gitHttp(root: string, { password, redirect, other }: GitHttpOptions = {}): Promise<GitHttp> {
  const credentials: GitHttp['credentials'] = []
  const server = createServer((request, response) => {
    const sent = request.headers.authorization?.replace(/^Basic /, '')
    const decoded = sent === undefined ? undefined : Buffer.from(sent, 'base64').toString()
    credentials.push(decoded)
    if (redirect !== undefined) response.writeHead(302, { location: redirect + request.url }).end()
    else if (password !== undefined && decoded?.split(':')[1] !== password) response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
    else if (!other?.(request, response)) backend(root, request, response)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => closed(server))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, credentials }
}

/** For `other`: of what is large, three quarters are sent, and no more comes. */
export function stopHalfway(_: IncomingMessage, response: ServerResponse): boolean {
  const end = response.end.bind(response) as (body: Buffer) => ServerResponse
  response.end = ((body: Buffer) => (body.length > 1_000_000 ? response.write(body.subarray(0, body.length * 0.75)) : end(body))) as typeof response.end
  return false
}

/** CGI: https://git-scm.com/docs/git-http-backend */
function backend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, 'http://localhost')
  const env = {
    ...gitTestEnvironment,
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: request.method!,
    PATH_INFO: url.pathname,
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: request.headers['content-type'] ?? '',
    HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
    GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
  }
  const child = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'ignore'] })
  request.pipe(child.stdin)
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('close', () => {
    const answer = Buffer.concat(chunks)
    const end = answer.indexOf('\r\n\r\n')
    const headers = answer.subarray(0, end).toString().split('\r\n').map((line) => line.split(': ') as [string, string])
    const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200'
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(headers)).end(answer.subarray(end + 4))
  })
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => void server.close(() => resolve()))
}
