import { readFileSync, readdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

/** The address that the recordings carry; the fake puts its own in its place. */
export const recordedOrigin = 'http://127.0.0.1:8095'

const recordings = fileURLToPath(new URL('../fixtures/patchwork/responses/', import.meta.url))

/** One recorded exchange. */
export interface Recording {
  request: { method: string; path: string; headers: Record<string, string>; body: string | null }
  response: { status: number; headers: Record<string, string>; json?: unknown; text?: string }
}

export function recording(name: string): Recording {
  return JSON.parse(readFileSync(`${recordings}${name}.json`, 'utf8')) as Recording
}

interface FakeEvent {
  id: number
  category: string
  date: string
  project: { link_name: string }
  actor: unknown
  payload: { series?: FakeReference; patch?: unknown }
}

interface FakeReference {
  id: number
  url: string
  web_url: string
  date: string
  name: string | null
  version: number
  mbox: string
}

interface FakeSeries extends FakeReference {
  project: unknown
  submitter: { id: number; url: string; name: string | null; email: string }
  total: number
  received_total: number
  received_all: boolean
  cover_letter: null | Record<string, unknown>
  patches: Record<string, unknown>[]
}

export interface FakeCheck {
  id: number
  url: string
  user: unknown
  date: string
  state: string
  target_url: string | null
  context: string
  description: string | null
}

/** A mail that a test puts into a series. */
interface FakePatch {
  /** As the server shows it: `[v2,1/3] libmini: add it`. */
  name: string
  /** The mail as `git format-patch` wrote it. */
  mail: string
  msgid?: string
}

interface NewSeries {
  name?: string | null
  version?: number
  submitter?: { name: string | null; email: string }
  patches: FakePatch[]
  /** How many patches the series says it has; more than are given makes it incomplete. */
  total?: number
  cover?: { name: string; content: string }
  /** Whether a series-completed event is made; by default where all patches are there. */
  completed?: boolean
  /** Whether the event says completed while the series does not, as seen while the last patch is being saved. */
  receivedAll?: boolean
  date?: string
}

/** How the next requests that match are answered instead. */
interface Trouble {
  match: RegExp
  times: number
  status: number
  headers?: Record<string, string>
  body?: string
  /** Never answers. */
  hang?: boolean
}

export interface FakePatchwork {
  url: string
  /** Method and path of every request, in order. */
  requests: { method: string; path: string; headers: IncomingMessage['headers'] }[]
  /** Adds a series with its events; returns its id and those of its patches. */
  addSeries(series: NewSeries): { id: number; patches: number[]; event: number | undefined }
  /** A patch that comes late: the series is completed by it where it is the last. */
  addPatch(series: number, patch: FakePatch): number
  /** An event about a series, dated and numbered as told, for events that become visible late. */
  addEvent(event: { category: string; series: number; date?: string; id?: number }): FakeEvent
  events: FakeEvent[]
  series: Map<number, FakeSeries>
  checks: Map<number, FakeCheck[]>
  troubles: Trouble[]
  close(): Promise<void>
}

const users = {
  ci: { id: 1, token: 'c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1', username: 'ci', first_name: 'CI bot', last_name: '', email: 'ci@example.org', maintains: true, active: true },
  admin: { id: 2, token: 'adadadadadadadadadadadadadadadadadadadad', username: 'admin', first_name: 'Root', last_name: '', email: 'admin@example.org', maintains: false, active: true },
  bob: { id: 3, token: 'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', username: 'robert', first_name: '', last_name: '', email: 'robert@example.net', maintains: false, active: true },
  gone: { id: 4, token: '6060606060606060606060606060606060606060', username: 'gone', first_name: '', last_name: '', email: 'gone@example.org', maintains: true, active: false },
  alice: { id: 5, token: 'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1', username: 'alice', first_name: 'Alice', last_name: '', email: 'alice@example.com', maintains: false, active: true },
}
type User = (typeof users)[keyof typeof users]

/** The token that may post on every patch of the project, made up. */
export const maintainerToken = users.ci.token
export const strangerToken = users.bob.token
export const inactiveToken = users.gone.token

const project = recording('project-by-linkname').response.json as Record<string, unknown>
const { maintainers: _, subject_match: __, ...projectReference } = project as Record<string, unknown> & { link_name: string }

const states = ['pending', 'success', 'warning', 'fail']

/**
 * A Patchwork 3.1.3 as far as Quern talks to one, on a loopback port; test/helpers/fake-patchwork.test.ts compares it with recordings of a real one.
 * With `recorded` it starts with everything that the real one had been fed.
 */
export async function startFakePatchwork({ recorded = false } = {}): Promise<FakePatchwork> {
  const events: FakeEvent[] = []
  const series = new Map<number, FakeSeries>()
  const patches = new Map<number, Record<string, unknown>>()
  const covers = new Map<number, Record<string, unknown>>()
  const mboxes = new Map<number, string>()
  const seriesMboxes = new Map<number, string>()
  const checks = new Map<number, FakeCheck[]>()
  const requests: FakePatchwork['requests'] = []
  const troubles: Trouble[] = []
  let lastCheck = 0
  let ticks = 0
  if (recorded) load()

  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => answer(request, Buffer.concat(parts).toString('utf8'), response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url: origin,
    requests,
    events,
    series,
    checks,
    troubles,
    addSeries,
    addPatch,
    addEvent,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  function load(): void {
    events.push(...(recording('events-per-page-1000-clamped').response.json as FakeEvent[]))
    for (const one of recording('series-list').response.json as FakeSeries[]) series.set(one.id, one)
    for (const file of readdirSync(recordings)) {
      const { request, response } = recording(file.replace(/\.json$/, ''))
      const patch = /^\/api\/1\.3\/patches\/(\d+)\/$/.exec(request?.path ?? '')
      if (patch !== null && response.status === 200) patches.set(Number(patch[1]), response.json as Record<string, unknown>)
      const mbox = /^\/series\/(\d+)\/mbox\/$/.exec(request?.path ?? '')
      if (mbox !== null && response.status === 200) seriesMboxes.set(Number(mbox[1]), response.text!)
    }
    for (const one of series.values()) supply(one)
  }

  /** What was not recorded of a recorded series, made from what was. */
  function supply(one: FakeSeries): void {
    const cover = one.cover_letter
    if (cover !== null) covers.set(cover['id'] as number, { ...cover, project: projectReference, submitter: one.submitter, series: [referenceOf(one)], headers: {}, content: 'Text.' })
    for (const mail of (seriesMboxes.get(one.id) ?? '').split(/^(?=From patchwork )/m)) {
      const reference = one.patches.find(({ id }) => mail.includes(`\nX-Patchwork-Id: ${id as number}\n`))
      if (reference === undefined || patches.has(reference['id'] as number)) continue
      const start = mail.search(/^diff --git /m)
      patches.set(reference['id'] as number, { ...reference, project: projectReference, submitter: one.submitter, series: [referenceOf(one)], headers: {}, content: mail.slice(mail.indexOf('\n\n') + 2, start).trim(), diff: mail.slice(start).trimEnd() + '\n' })
    }
  }

  /** The fake's clock: naive, strictly rising, after everything recorded. */
  function now(): string {
    ticks += 1
    return new Date(Date.UTC(2026, 10, 21, 10, 0, 0) + ticks * 1000).toISOString().replace('.000Z', `.${String(ticks).padStart(6, '0')}`)
  }

  function addSeries({ name, version = 1, submitter = { name: 'Ann Example', email: 'ann@example.com' }, patches: mails, total = mails.length, cover, completed, receivedAll, date }: NewSeries): { id: number; patches: number[]; event: number | undefined } {
    const id = Math.max(0, ...series.keys()) + 1
    const one: FakeSeries = {
      id,
      url: `${recordedOrigin}/api/1.3/series/${id}/`,
      web_url: `${recordedOrigin}/project/ffmpeg/list/?series=${id}`,
      project: projectReference,
      name: name === undefined ? (cover?.name.replace(/^(?:\[[^\]]*\]\s*)+/, '') ?? mails[0]?.name ?? null) : name,
      date: '2026-11-21T09:00:00',
      submitter: { id: 100, url: `${recordedOrigin}/api/1.3/people/100/`, ...submitter },
      version,
      total,
      received_total: 0,
      received_all: false,
      mbox: `${recordedOrigin}/series/${id}/mbox/`,
      cover_letter: null,
      patches: [],
    }
    series.set(id, one)
    if (cover !== undefined) addCover(one, cover)
    const created = mails.map((mail) => save(one, mail))
    one.received_all = receivedAll ?? one.received_total >= total
    addEvent({ category: 'series-created', series: id, ...(date === undefined ? {} : { date }) })
    const event = (completed ?? one.received_total >= total) ? addEvent({ category: 'series-completed', series: id, ...(date === undefined ? {} : { date }) }) : undefined
    return { id, patches: created, event: event?.id }
  }

  function addPatch(id: number, patch: FakePatch): number {
    const one = series.get(id)!
    const created = save(one, patch)
    one.received_all = one.received_total >= one.total
    if (one.received_all) addEvent({ category: 'series-completed', series: id })
    return created
  }

  function addCover(one: FakeSeries, { name, content }: { name: string; content: string }): void {
    const id = covers.size + 1000
    const msgid = `<cover-${one.id}@example.com>`
    one.cover_letter = { id, url: `${recordedOrigin}/api/1.3/covers/${id}/`, web_url: `${recordedOrigin}/project/ffmpeg/cover/cover-${one.id}@example.com/`, msgid, list_archive_url: null, date: one.date, name, mbox: `${recordedOrigin}/project/ffmpeg/cover/cover-${one.id}@example.com/mbox/` }
    covers.set(id, { ...one.cover_letter, project: projectReference, submitter: one.submitter, series: [referenceOf(one)], headers: {}, content })
  }

  /** Keeps a mail as the real server does: the diff apart from the text, carriage returns lost in the mbox only. */
  function save(one: FakeSeries, { name, mail, msgid }: FakePatch): number {
    const id = Math.max(32, ...patches.keys()) + 1
    const own = msgid ?? `<patch-${id}@example.com>`
    const [head = '', ...rest] = mail.replace(/^From [0-9a-f]{40} .*\n/, '').split('\n\n')
    const body = rest.join('\n\n')
    const start = body.search(/^diff --git /m)
    const content = (start < 0 ? body : body.slice(0, start)).trim()
    const diff = start < 0 ? null : `${body.slice(start).replace(/\n-- \n[\s\S]*$/, '')}\n`
    const reference = { id, url: `${recordedOrigin}/api/1.3/patches/${id}/`, web_url: `${recordedOrigin}/project/ffmpeg/patch/${own.slice(1, -1)}/`, msgid: own, list_archive_url: null, date: one.date, name, mbox: `${recordedOrigin}/project/ffmpeg/patch/${own.slice(1, -1)}/mbox/` }
    patches.set(id, { ...reference, project: projectReference, state: 'new', submitter: one.submitter, series: [referenceOf(one)], content, diff, headers: {} })
    const headers = head.split('\n').filter((line) => !/^(?:Content-|MIME-Version)/i.test(line)).join('\n')
    mboxes.set(id, `From patchwork Sat Nov 21 09:00:00 2026\nContent-Type: text/plain; charset="utf-8"\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\nX-Patchwork-Submitter: ${one.submitter.email}\nX-Patchwork-Id: ${id}\nMessage-Id: ${own}\n${headers}\n\n${content}\n\n${diff ?? ''}\n`.replaceAll('\r', ''))
    one.patches.push(reference)
    one.received_total += 1
    return id
  }

  function addEvent({ category, series: id, date, id: eventId }: { category: string; series: number; date?: string; id?: number }): FakeEvent {
    const event = { id: eventId ?? Math.max(0, ...events.slice(-50).map((other) => other.id)) + 1, category, project: projectReference, date: date ?? now(), actor: null, payload: { series: referenceOf(series.get(id)!) } }
    events.push(event)
    return event
  }

  function answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const { method = 'GET', headers } = request
    const url = new URL(request.url!, origin)
    requests.push({ method, path: request.url!, headers })
    const trouble = troubles.find(({ match, times }) => times > 0 && match.test(`${method} ${request.url!}`))
    if (trouble !== undefined) {
      trouble.times -= 1
      if (trouble.hang !== true) response.writeHead(trouble.status, trouble.headers).end(trouble.body)
      return
    }
    const { status, headers: more = {}, json, text } = route(method, url, headers, body)
    const payload = json === undefined ? (text ?? '') : JSON.stringify(json)
    const type = json === undefined ? 'text/html; charset=utf-8' : 'application/json'
    const ownHeaders = Object.fromEntries(Object.entries({ 'Content-Type': type, ...more }).map(([name, value]) => [name, value.replaceAll(recordedOrigin, origin)]))
    response.writeHead(status, ownHeaders).end(method === 'HEAD' ? '' : payload.replaceAll(recordedOrigin, origin))
  }

  function route(method: string, url: URL, headers: IncomingMessage['headers'], body: string): Reply {
    const path = url.pathname
    if (!path.endsWith('/')) return { status: 301, headers: { Location: `${path}/${url.search}` } }
    const mbox = /^\/series\/(\d+)\/mbox\/$/.exec(path)
    if (mbox !== null) return mboxOf(Number(mbox[1]))
    const short = /^\/patch\/(\d+)\/mbox\/$/.exec(path)
    if (short !== null) return redirectOf(patches.get(Number(short[1])))
    const long = /^\/project\/ffmpeg\/patch\/(.+)\/mbox\/$/.exec(path)
    if (long !== null) return patchMboxOf(`<${long[1]}>`)
    if (!path.startsWith('/api/1.3/') || /^\/api\/1\.3\/(?:series|patches)\/[^/]*[^/\d][^/]*\//.test(path)) return { status: 404, text: notFoundPage }
    const accept = headers.accept ?? '*/*'
    if (!/application\/json|\*\/\*|text\/html/.test(accept)) return { status: 406, json: { detail: 'Could not satisfy the request Accept header.' } }
    const who = userOf(headers.authorization)
    if (typeof who === 'string') return { status: 403, json: { detail: who } }
    return api(method, path.slice('/api/1.3/'.length), url, who, headers, body)
  }

  function api(method: string, path: string, url: URL, who: User | undefined, headers: IncomingMessage['headers'], body: string): Reply {
    const checksOf = /^patches\/(\d+)\/checks\/$/.exec(path)
    if (checksOf !== null) return checkRoute(method, Number(checksOf[1]), url, who, headers, body)
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, json: { detail: `Method "${method}" not allowed.` } }
    if (path === 'events/') return eventList(url)
    if (path === 'series/') return paged(url.searchParams.get('order') === '-id' ? [...series.values()].reverse() : [...series.values()], url)
    const found =
      path === 'projects/ffmpeg/' || path === 'projects/1/'
        ? project
        : lookUp(path, 'series', series) ?? lookUp(path, 'patches', patches) ?? lookUp(path, 'covers', covers)
    return found === undefined ? notFound : { status: 200, json: found }
  }

  function eventList(url: URL): Reply {
    const query = url.searchParams
    const last = (name: string): string | undefined => query.getAll(name).at(-1)
    const dates = ['since', 'before'].map(last).filter((date) => date !== undefined)
    if (dates.some((date) => /(?:Z|[+-]\d\d:\d\d)$/.test(date))) return { status: 500, headers: { 'Content-Type': 'text/html' }, text: serverErrorPage }
    const [wanted, category, since, before, of] = ['project', 'category', 'since', 'before', 'series'].map(last)
    const valid = dates.every((date) => /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$/.test(date)) && (wanted === undefined || projects.includes(wanted)) && (category === undefined || categories.includes(category))
    const chosen = events
      .filter((event) => valid && (wanted === undefined || event.project.link_name === wanted) && (category === undefined || event.category === category) && (since === undefined || event.date >= since) && (before === undefined || event.date < before) && (of === undefined || event.payload.series?.id === Number(of)))
      .toSorted((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : a.id - b.id))
    return paged(query.get('order') === 'date' ? chosen : chosen.toReversed(), url)
  }

  function checkRoute(method: string, id: number, url: URL, who: User | undefined, headers: IncomingMessage['headers'], body: string): Reply {
    const known = patches.get(id) ?? [...series.values()].flatMap((one) => one.patches).find((patch) => patch['id'] === id)
    if (method !== 'GET' && method !== 'POST') return { status: 405, json: { detail: `Method "${method}" not allowed.` } }
    if (method === 'POST') return known === undefined && !isForeign(id) && who !== undefined ? notFound : addCheck(id, who, headers, body)
    if (known === undefined) return notFound
    const all = checks.get(id) ?? []
    const context = url.searchParams.get('context')
    return paged(context === null ? all : all.filter((check) => check.context === context), url)
  }

  function addCheck(id: number, who: User | undefined, headers: IncomingMessage['headers'], body: string): Reply {
    if (who === undefined || isForeign(id) || !(who.maintains || submitterOf(id) === who.email)) return { status: 403, json: { detail: 'You do not have permission to perform this action.' } }
    if (body !== '' && headers['content-type']?.startsWith('application/json') !== true) return { status: 415, json: { detail: `Unsupported media type "${headers['content-type']}" in request.` } }
    const sent = (body === '' ? {} : JSON.parse(body)) as Record<string, unknown>
    const wrong = faultOf(sent)
    if (wrong !== undefined) return { status: 400, json: wrong }
    lastCheck += 1
    const by = Object.values(users).find((user) => user.id === sent['user']) ?? who
    const { token: _token, maintains: _maintains, active: _active, ...user } = by
    const shown = { id: user.id, url: `${recordedOrigin}/api/1.3/users/${user.id}/`, username: user.username, first_name: user.first_name, last_name: user.last_name, email: user.email }
    const state = typeof sent['state'] === 'number' ? states[sent['state']]! : (sent['state'] as string)
    const check = { id: lastCheck, url: `${recordedOrigin}/api/1.3/patches/${id}/checks/${lastCheck}/`, user: shown, date: now(), state, target_url: (sent['target_url'] as string | undefined) ?? null, context: (sent['context'] as string | undefined) ?? 'default', description: (sent['description'] as string | undefined)?.trim() ?? null }
    checks.set(id, [...(checks.get(id) ?? []), check])
    return { status: 201, headers: { Location: check.url }, json: check }
  }

  function isForeign(id: number): boolean {
    const event = events.find(({ category, payload }) => category === 'patch-created' && (payload.patch as { id: number }).id === id)
    return event !== undefined && event.project.link_name !== project['link_name']
  }

  function submitterOf(id: number): string | undefined {
    return [...series.values()].find((one) => one.patches.some((patch) => patch['id'] === id))?.submitter.email
  }

  function mboxOf(id: number): Reply {
    const one = series.get(id)
    if (one === undefined) return { status: 404, text: notFoundPage }
    const text = seriesMboxes.get(id) ?? one.patches.map((patch) => mboxes.get(patch['id'] as number)).join('\n')
    return { status: 200, headers: { 'Content-Type': 'text/plain' }, text }
  }

  function redirectOf(patch: Record<string, unknown> | undefined): Reply {
    if (patch === undefined) return { status: 404, text: notFoundPage }
    return { status: 302, headers: { Location: new URL(patch['mbox'] as string).pathname } }
  }

  function patchMboxOf(msgid: string): Reply {
    const id = [...patches.values()].find((patch) => patch['msgid'] === msgid)?.['id'] as number | undefined
    const text = id === undefined ? undefined : (mboxes.get(id) ?? [...seriesMboxes.values()].flatMap((mbox) => mbox.split(/^(?=From patchwork )/m)).find((mbox) => mbox.includes(`\nX-Patchwork-Id: ${id}\n`))?.replace(/\n\n$/, '\n'))
    return text === undefined ? { status: 404, text: notFoundPage } : { status: 200, headers: { 'Content-Type': 'text/plain' }, text }
  }
}

interface Reply {
  status: number
  headers?: Record<string, string>
  json?: unknown
  text?: string
}

const notFound: Reply = { status: 404, json: { detail: 'Not found.' } }
const serverErrorPage = recording('events-since-z').response.text!
const notFoundPage = recording('series-mbox-unknown').response.text!
const projects = ['ffmpeg', 'widgets']
const categories = ['cover-created', 'cover-comment-created', 'patch-created', 'patch-completed', 'patch-state-changed', 'patch-relation-changed', 'patch-delegated', 'patch-comment-created', 'check-created', 'series-created', 'series-completed']

/** A page of a list with the Link header of the real server, whose queries are in alphabetical order. */
function paged(all: unknown[], url: URL): Reply {
  const size = Math.min(Number(url.searchParams.get('per_page') ?? 30) || 30, 250)
  const page = Number(url.searchParams.get('page') ?? 1)
  const last = Math.max(1, Math.ceil(all.length / size))
  if (!(page >= 1 && page <= last)) return { status: 404, json: { detail: 'Invalid page.' } }
  const links: string[] = []
  if (page < last) links.push(link(url, String(page + 1), 'next'))
  if (page > 1) links.push(link(url, page === 2 ? undefined : String(page - 1), 'prev'))
  links.push(link(url, '1', 'first'), link(url, String(last), 'last'))
  return { status: 200, headers: { Link: links.join(', ') }, json: all.slice((page - 1) * size, page * size) }
}

function link(url: URL, page: string | undefined, rel: string): string {
  const query = new URLSearchParams(url.searchParams)
  query.delete('page')
  if (page !== undefined) query.set('page', page)
  query.sort()
  const text = query.size === 0 ? '' : `?${query}`
  return `<${recordedOrigin}${url.pathname}${text}>; rel="${rel}"`
}

function referenceOf({ id, url, web_url, date, name, version, mbox }: FakeSeries): FakeReference {
  return { id, url, web_url, date, name, version, mbox }
}

function lookUp(path: string, kind: string, from: Map<number, unknown>): unknown {
  const id = new RegExp(`^${kind}/(\\d+)/$`).exec(path)?.[1]
  return id === undefined ? undefined : from.get(Number(id))
}

/** The user of a token, undefined without one, or the detail of the 403. Other schemes than Token are ignored. */
function userOf(header: string | undefined): User | string | undefined {
  if (header === undefined || !header.startsWith('Token ')) return undefined
  const token = header.slice('Token '.length)
  if (token.includes(' ')) return 'Invalid token header. Token string should not contain spaces.'
  const user = Object.values(users).find((one) => one.token === token)
  if (user === undefined) return 'Invalid token.'
  return user.active ? user : 'User inactive or deleted.'
}

/** What the real server finds wrong with a check: its fields and sentences. */
function faultOf(sent: Record<string, unknown>): Record<string, string[]> | undefined {
  const { state, context, target_url: target, description } = sent
  if (state === undefined || state === '' || Array.isArray(sent)) return { state: ['A check must have a state.'] }
  if (!states.includes(state as string) && !(typeof state === 'number' && state in states)) return { state: [`"${String(state)}" is not a valid choice.`] }
  if (context === '') return { context: ['This field may not be blank.'] }
  if (typeof context === 'string' && context.length > 255) return { context: ['Ensure this field has no more than 255 characters.'] }
  if (typeof context === 'string' && !/^[A-Za-z0-9_-]+$/.test(context)) return { context: ['Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'] }
  if (typeof target === 'string' && target !== '' && !/^https?:\/\/(?:localhost|[^/?#:]+\.[^/?#:]+)(?::\d+)?(?:[/?#]|$)/.test(target)) return { target_url: ['Enter a valid URL.'] }
  if (typeof target === 'string' && target.length > 200) return { target_url: ['Ensure this field has no more than 200 characters.'] }
  if (description !== undefined && description !== null && typeof description !== 'string') return { description: ['Not a valid string.'] }
  if (typeof description === 'string' && description.includes('\0')) return { description: ['Null characters are not allowed.'] }
  // https://github.com/encode/django-rest-framework/blob/3.13.0/rest_framework/validators.py, ProhibitSurrogateCharactersValidator
  const half = typeof description === 'string' ? /\p{Surrogate}/u.exec(description) : null
  if (half !== null) return { description: [`Surrogate characters are not allowed: U+${half[0].charCodeAt(0).toString(16).toUpperCase()}.`] }
  return undefined
}
