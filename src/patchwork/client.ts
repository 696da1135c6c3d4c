import * as v from 'valibot'
import {
  checkAnswerSchema,
  coverAnswerSchema,
  patchAnswerSchema,
  projectSchema,
  seriesAnswerSchema,
  seriesEventSchema,
  type CheckAnswer,
  type CheckState,
  type PatchAnswer,
  type SeriesAnswer,
  type SeriesEvent,
} from './answers.ts'
import { readableLine } from '../model/readable.ts'
import { notOfPatchwork, openHttp, PatchworkError, type Answer, type Call, type HttpOptions } from './http.ts'

/** One project of one Patchwork server, over its API 1.3: https://patchwork.readthedocs.io/en/latest/api/rest/ */
export interface PatchworkClient {
  /** The address as configured, without a slash at the end. */
  readonly server: string
  readonly project: string
  /** Whether the server knows the project; a filter by an unknown one would silently find nothing. @throws {PatchworkError} */
  hasProject(): Promise<boolean>
  /** The newest event of the category, of those before a date; undefined where there is none. @throws {PatchworkError} */
  newest(category: EventCategory, before?: string): Promise<SeriesEvent | undefined>
  /** Events from that date on (inclusive), oldest first, a page at a time. @throws {PatchworkError} */
  events(category: EventCategory, since?: string): AsyncGenerator<SeriesEvent[]>
  /** @throws {PatchworkError} with status 404 where there is none */
  series(id: number): Promise<SeriesAnswer>
  /** The mails of a series as the server keeps them: bytes without a charset. @throws {PatchworkError} */
  seriesMbox(id: number, signal?: AbortSignal): Promise<Buffer>
  /** One mail. @throws {PatchworkError} also where something else came, like the page of a proxy */
  patchMbox(id: number, signal?: AbortSignal): Promise<Buffer>
  patch(id: number, signal?: AbortSignal): Promise<PatchAnswer>
  /** The text of a cover letter. */
  cover(id: number, signal?: AbortSignal): Promise<string>
  /** Checks of one context, oldest first. Nothing is ever removed from them. */
  checks(patch: number, context: string): Promise<CheckAnswer[]>
  /** Reads with the token, which says whether it is of an active user; not whether that user may post. @throws {PatchworkError} with status 403 where it is refused */
  checkToken(): Promise<void>
  /** Adds a check; each call adds one, the newest per user and context counts. */
  postCheck(patch: number, check: NewCheck): Promise<void>
}

export type EventCategory = 'series-completed' | 'series-created'

interface NewCheck {
  state: CheckState
  context: string
  description: string
  target_url?: string
}

export interface ClientOptions extends Partial<HttpOptions> {
  url: string
  project: string
  /** For posting. Reading never sends it. */
  token?: string
}

const defaults: HttpOptions = { userAgent: 'quern', timeout: 30_000, maxBytes: 32 * 1024 * 1024, tries: 3, backOff: 1000, interval: 0 }

/** The most that the server gives on a page; it clamps more. */
const pageSize = '250'

const redirectsFollowed = 3

/** Opens a project of a server; nothing is asked yet. */
export function openPatchwork({ url, project, token, ...options }: ClientOptions): PatchworkClient {
  const server = url.replace(/\/+$/, '')
  const request = openHttp({ ...defaults, ...options })
  const api = (path: string, query: Record<string, string> = {}): URL => {
    const address = new URL(`${server}/api/1.3/${path}`)
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value)
    return address
  }
  const read = (url: URL, { accept = 'application/json', signal }: { accept?: string; signal?: AbortSignal | undefined } = {}): Promise<Answer> => follow({ method: 'GET', url, accept, signal }, server, request)

  return {
    server,
    project,
    hasProject: () => exists(async () => checked(projectSchema, await read(api(`projects/${encodeURIComponent(project)}/`)))),
    newest: async (category, before) => checked(v.array(seriesEventSchema), await read(api('events/', { project, category, per_page: '1', ...(before === undefined ? {} : { before }) })))[0],
    async *events(category, since) {
      let page: URL | undefined = api('events/', { project, category, order: 'date', per_page: pageSize, ...(since === undefined ? {} : { since }) })
      while (page !== undefined) {
        const answer: Answer = await read(page)
        yield checked(v.array(seriesEventSchema), answer)
        page = nextPage(answer, server)
      }
    },
    series: async (id) => checked(seriesAnswerSchema, await read(api(`series/${id}/`))),
    seriesMbox: async (id, signal) => (await read(new URL(`${server}/series/${id}/mbox/`), { accept: '*/*', signal })).body,
    patchMbox: async (id, signal) => mailIn(await read(new URL(`${server}/patch/${id}/mbox/`), { accept: '*/*', signal }), id),
    patch: async (id, signal) => checked(patchAnswerSchema, await read(api(`patches/${id}/`), { signal })),
    cover: async (id, signal) => checked(coverAnswerSchema, await read(api(`covers/${id}/`), { signal })).content ?? '',
    async checks(patch, context) {
      const found: CheckAnswer[] = []
      let page: URL | undefined = api(`patches/${patch}/checks/`, { context, per_page: pageSize })
      while (page !== undefined) {
        const answer: Answer = await read(page)
        found.push(...checked(v.array(checkAnswerSchema), answer))
        page = nextPage(answer, server)
      }
      return found
    },
    async checkToken() {
      await request({ method: 'GET', url: api(`projects/${encodeURIComponent(project)}/`), accept: 'application/json', ...(token !== undefined && { token }) })
    },
    async postCheck(patch, check) {
      // The slash at the end matters: without it the server redirects, and a followed redirect is a GET that posts nothing.
      const call = { method: 'POST', url: api(`patches/${patch}/checks/`), accept: 'application/json', json: check } as const
      const answer = await request(token === undefined ? call : { ...call, token })
      if (answer.status !== 201) throw new PatchworkError(`POST ${answer.url.href}: expected the new check, ${cameInstead(answer)}`, { status: answer.status, detail: notOfPatchwork })
    },
  }
}

/** Reads an address, following redirects that stay on the server (patch mails are redirected to their Message-ID). */
async function follow(call: Call, server: string, request: ReturnType<typeof openHttp>): Promise<Answer> {
  let { url } = call
  for (let hops = 0; hops <= redirectsFollowed; hops++) {
    const answer = await request({ ...call, url })
    if (answer.status < 300) return answer
    const target = new URL(answer.headers.location ?? '', url)
    if (target.origin !== new URL(server).origin) throw new PatchworkError(`GET ${url.href}: redirected to another server, ${target.origin}; set that address as the url of this source`, { status: answer.status })
    url = target
  }
  throw new PatchworkError(`GET ${call.url.href}: more than ${redirectsFollowed} redirects`, {})
}

/**
 * The next page's address: path and query exactly as the server linked them, on the configured server,
 * because the server builds links from the Host header, and a proxy may change that.
 */
function nextPage(answer: Answer, server: string): URL | undefined {
  const link = /<([^>]*)>\s*;\s*rel="next"/.exec(linkOf(answer))?.[1]
  if (link === undefined) return undefined
  const { pathname, search } = new URL(link, answer.url)
  const next = new URL(new URL(server).origin)
  next.pathname = pathname
  next.search = search
  return next
}

function linkOf({ headers }: Answer): string {
  return [headers['link'] ?? ''].flat().join(', ')
}

function checked<Schema extends v.GenericSchema>(schema: Schema, answer: Answer): v.InferOutput<Schema> {
  const what = `GET ${answer.url.href}`
  const result = v.safeParse(schema, parseJson(answer, what))
  if (result.success) return result.output
  const [issue] = result.issues
  throw new PatchworkError(`${what}: unexpected answer: ${v.getDotPath(issue) ?? 'body'}: ${issue.message}`, { status: answer.status, detail: 'unexpected answer' })
}

function parseJson(answer: Answer, what: string): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'))
  } catch (error) {
    throw new PatchworkError(`${what}: expected JSON, ${cameInstead(answer)}`, { status: answer.status, detail: notOfPatchwork, cause: error })
  }
}

/** The mail of that patch; anything else would be told as a patch without a change. */
function mailIn(answer: Answer, id: number): Buffer {
  const head = answer.body.subarray(0, Math.max(answer.body.indexOf('\n\n'), 0)).toString('latin1')
  if (head.startsWith('From patchwork ') && head.split('\n').includes(`X-Patchwork-Id: ${id}`)) return answer.body
  throw new PatchworkError(`GET ${answer.url.href}: expected the mail of patch ${id}, ${cameInstead(answer)}`, { status: answer.status, detail: notOfPatchwork })
}

function cameInstead({ body, headers }: Answer): string {
  const start = body.subarray(0, 200).toString('utf8').trim().split('\n')[0] ?? ''
  return `got ${headers['content-type'] ?? 'no content type'}: ${readableLine(start)}`
}

async function exists(read: () => Promise<unknown>): Promise<boolean> {
  try {
    await read()
    return true
  } catch (error) {
    if (!(error instanceof PatchworkError) || error.status !== 404) throw error
    // The API's own words; whoever does not know the API at all says so in others.
    if (/^(?:Not found\.|No \w+ matches)/.test(error.detail)) return false
    throw new PatchworkError(`${error.message}; expected the API 1.3 of Patchwork there, as 3.1.3 has it`, { status: 404, detail: error.detail, cause: error })
  }
}
