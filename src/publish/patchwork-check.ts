import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { readableLine, readable } from '../model/readable.ts'
import type { Outcome, Publisher, Report } from './publisher.ts'

const states = ['pending', 'success', 'warning', 'fail'] as const

/** A check on one mailed patch, at rest. */
const checkSchema = v.object({
  /** The server's address as configured. */
  server: v.string(),
  project: v.string(),
  series: v.number(),
  patch: v.number(),
  state: v.picklist(states),
  /** Which job told it: letters, digits, `_` and `-`. */
  context: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,255}$/)),
  description: v.string(),
  target_url: v.optional(v.string()),
})
export type PatchworkCheck = v.InferOutput<typeof checkSchema>

/** Posts checks on one project of a server; its failures carry the HTTP status and the server's words. */
interface CheckServer {
  server: string
  project: string
  checks(patch: number, context: string): Promise<{ state: string; description: string | null; target_url: string | null }[]>
  postCheck(patch: number, check: { state: (typeof states)[number]; context: string; description: string; target_url?: string }): Promise<void>
}

export interface PatchworkChecksOptions {
  servers: { client: CheckServer; rehearse: boolean }[]
  /** Why a series is told nothing any more, asked just before posting; undefined where it is current. */
  outdated: (series: { server: string; id: number }) => string | undefined
  /** Whether a build has ended: then its `pending` comes too late, and would hide the result. */
  ended: (build: string) => boolean
  /** The newer build of the same pipeline that has written one of these reports; undefined where none has. */
  retold: (build: string, reports: string[]) => string | undefined
  /** Hears what a rehearsal would have posted. */
  rehearsed: (check: PatchworkCheck) => void
}

/** The server's limit of a target_url, and ours of a description, in characters. */
const longestUrl = 200
const longestDescription = 2000

/** The report that carries this check: one per build, patch, context and state, however often it is written. */
export function checkReport(build: string, check: PatchworkCheck, created: string): Report<PatchworkCheck> {
  const { server, project, patch, context, state } = check
  const key = createHash('sha256').update(JSON.stringify([server, project, patch, context, state])).digest('hex').slice(0, 24)
  return { id: `patchwork-${key}`, publisher: 'patchwork-check', build, created, payload: check }
}

/** A stable slug from the names of what it tells about: `make fate`, `x86` → `make_fate_x86`. Names that differ only in other characters give the same. */
export function checkContext(...names: string[]): string {
  const slug = names.join('_').replace(/[^A-Za-z0-9_-]+/g, '_').replace(/^_+|_+$/g, '') || 'quern'
  return slug.length <= 100 ? slug : `${slug.slice(0, 80)}_${createHash('sha256').update(slug).digest('hex').slice(0, 12)}`
}

/** The context of a job's check, its folder last: `x86/make_fate` → `make_fate_x86`, as FFmpeg names them. */
export function jobContext(job: string): string {
  return checkContext(...job.split('/').toReversed())
}

/** What a check says: one line, and the excerpt below it where it fits. */
export function checkDescription(line: string, excerpt?: string): string {
  const first = readableLine(line).slice(0, 500)
  const whole = excerpt === undefined ? first : `${first}\n\n${readable(excerpt).trim()}`
  return whole.length <= longestDescription ? whole : first
}

/** The address as the server takes it, or undefined: http or https, at most 200 characters, a host with a dot or localhost. */
export function checkTargetUrl(address: string | undefined): string | undefined {
  if (address === undefined || address.length > longestUrl || !URL.canParse(address)) return undefined
  const { protocol, hostname } = new URL(address)
  if (protocol !== 'http:' && protocol !== 'https:') return undefined
  return hostname === 'localhost' || /[^.]\.[^.]/.test(hostname) ? address : undefined
}

/**
 * Posts checks on patches. A check cannot be changed or removed, each post adds one, so what is there is read first:
 * a report that is tried again after the server took it, but its answer was lost, adds nothing.
 */
export function openPatchworkChecks({ servers, outdated, ended, retold, rehearsed }: PatchworkChecksOptions): Publisher {
  return { publish, receiver }

  function receiver({ payload }: Report): string {
    const parsed = v.safeParse(checkSchema, payload)
    return parsed.success ? `${parsed.output.server} ${parsed.output.project}` : ''
  }

  async function publish(report: Report): Promise<Outcome> {
    const parsed = v.safeParse(checkSchema, report.payload)
    if (!parsed.success) return { kind: 'refused', reason: 'it is no check' }
    const check = parsed.output
    const found = servers.find(({ client }) => client.server === check.server && client.project === check.project)
    if (found === undefined) return { kind: 'refused', reason: `${check.server}, project ${check.project}, is not in quern.yaml any more` }
    const old = outdated({ server: check.server, id: check.series })
    if (old !== undefined) return { kind: 'dropped', reason: old }
    if (check.state === 'pending' && ended(report.build)) return { kind: 'sent' }
    const newer = retold(report.build, states.map((state) => checkReport(report.build, { ...check, state }, report.created).id))
    if (newer !== undefined) return { kind: 'dropped', reason: `build ${newer} tells of the same, and the newest check counts` }
    if (found.rehearse) return rehearse(check)
    return post(found.client, check)
  }

  function rehearse(check: PatchworkCheck): Outcome {
    rehearsed(check)
    return { kind: 'sent' }
  }
}

async function post(client: CheckServer, { patch, state, context, description, target_url: address }: PatchworkCheck): Promise<Outcome> {
  const target = checkTargetUrl(address)
  const check = { state, context, description: asKept(description), ...(target !== undefined && { target_url: target }) }
  try {
    const newest = (await client.checks(patch, context)).at(-1)
    if (newest === undefined || !isTold(newest, check)) await client.postCheck(patch, check)
    return { kind: 'sent' }
  } catch (error) {
    return outcomeOf(error as ServerError)
  }
}

/** As the server keeps it: it strips blanks around it, and refuses half of a character, which is where a long line was cut. */
function asKept(description: string): string {
  return Buffer.from(readable(description)).toString().trim()
}

/** Whether the server shows this check, or its end already: a late `pending` must not hide the result of the same run. */
function isTold(newest: { state: string; description: string | null; target_url: string | null }, check: { state: string; description: string; target_url?: string }): boolean {
  if ((newest.target_url ?? undefined) !== check.target_url) return false
  if (check.state === 'pending' && newest.state !== 'pending') return check.target_url !== undefined
  return newest.state === check.state && (newest.description ?? '') === check.description
}

interface ServerError extends Error {
  status?: number
  detail?: string
}

/** For good only where the server says that this check is wrong, or its patch gone. Everything else passes or can be mended. */
function outcomeOf({ status, detail = '', message }: ServerError): Outcome {
  if (status === 403) return { kind: 'later', reason: forbidden(detail) }
  if (status === 400 || (status === 404 && detail === 'Not found.')) return { kind: 'refused', reason: message }
  return { kind: 'later', reason: message }
}

/** All of these are 403 and differ by their words only. */
function forbidden(detail: string): string {
  if (detail.startsWith('Invalid token')) return `the server does not know the token (${detail}): make a new one in its user settings and set it under token_env`
  if (/inactive|deleted/i.test(detail)) return `the token's user is not active (${detail})`
  return `the token's user may not post checks (${detail}): it has to be a maintainer of the project, being an administrator is not enough; without token_env no token is sent`
}
