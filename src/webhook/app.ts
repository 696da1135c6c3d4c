import type { HttpBindings } from '@hono/node-server'
import { Webhooks } from '@octokit/webhooks'
import { Hono, type Context } from 'hono'
import type { Decision, Ledger } from '../ledger/ledger.ts'
import { together } from '../ledger/together.ts'
import type { Logger } from '../log/open-log.ts'
import { readableLine } from '../model/readable.ts'
import { RequestError } from '../model/request.ts'
import type { Queue } from '../queue/queue.ts'
import { readDelivery, type Asked } from './github.ts'
import { hangUpOnUnread } from './hang-up.ts'
import { doorkeeper, type Doorkeeper, type Hook } from './hook.ts'
import { bodyBounds, openBodyReader, type BodyBounds } from './read-body.ts'
import { deliveryOf, formOf, signatureOf, type BodyForm } from './read-headers.ts'
import { Refusal } from './refusal.ts'
import { senderOf } from './sender.ts'

export interface WebhookRooms {
  hooks: Hook[]
  /** The path in front of the hook's id, like `/webhook`. */
  prefix: string
  /** Says whose receiver answers. */
  homeId: string
  queue: Pick<Queue, 'enqueue'>
  ledger: Pick<Ledger, 'decide'>
  log: Logger
  /** Called whenever a new entry is durable, before it is answered. */
  afterQueued: () => void
  /** Answers what is for no hook; undefined where it has no answer either. */
  elsewhere?: ((request: Request, bindings: HttpBindings) => Promise<Response> | undefined) | undefined
  bounds?: BodyBounds
}

/** What every request is answered with, as JSON beside the status. */
interface Answer {
  status: 200 | 202 | 400 | 401 | 404 | 405 | 413 | 415 | 503
  result: 'queued' | 'duplicate' | 'ignored' | 'pong' | 'listening' | 'refused' | 'unavailable'
  reason: string
  entry?: string
  home?: string
  /** When the receiver was started, by /healthz. */
  since?: string
}

/** Seconds after which a sender may try again where nothing could be kept. */
const retryAfter = '60'

type Env = { Bindings: HttpBindings }

/**
 * The receiver: `POST <prefix>/<hook>` takes deliveries, `GET /healthz` says that it listens, for which home, and since when. Runs on @hono/node-server.
 * It answers 2xx only once what the answer says is durable (law 1), and never waits for a build.
 */
export function webhookApp({ hooks, prefix, homeId, bounds = bodyBounds, ...rooms }: WebhookRooms): Hono<Env> {
  const doors = new Map(hooks.map((hook) => [hook.id, openDoor(hook)]))
  const readBody = openBodyReader(bounds)
  const decideTogether = together(rooms.ledger.decide)
  const since = new Date().toISOString()
  const app = new Hono<Env>()
  app.use(hangUpOnUnread)
  app.get('/healthz', (c) => send(c, { status: 200, result: 'listening', reason: 'the receiver listens', home: homeId, since }))
  app.post(`${prefix}/:hook`, async (c) => {
    const event: Partial<Decision> = {}
    const answer = await receive(c, event).catch((error: unknown) => refuse(error, event))
    note(c, event, answer)
    return send(c, answer)
  })
  app.all(`${prefix}/:hook`, (c) => methodNotAllowed(c, 'POST'))
  app.all('/healthz', (c) => methodNotAllowed(c, 'GET'))
  app.notFound((c) => rooms.elsewhere?.(c.req.raw, c.env) ?? answerAndNote(c, { status: 404, result: 'refused', reason: 'there is nothing here' }))
  return app

  async function receive(c: Context<Env, `${string}/:hook`>, event: Partial<Decision>): Promise<Answer> {
    const door = doors.get(c.req.param('hook'))
    if (door === undefined) throw new Refusal(404, 'there is no such hook')
    const form = formOf(c)
    const signature = signatureOf(c)
    const text = (await readBody(c.env.incoming)).toString('utf8')
    if (text === '' || !(await door.verify(text, signature))) throw new Refusal(401, 'the signature does not fit the body and the secret of this hook')

    // From here on the sender is known, and what it sent is an event that the ledger tells about.
    event.hook = door.hook.id
    const delivery = deliveryOf(c, door.hook)
    Object.assign(event, { delivery: delivery.id, event: delivery.event })
    const body = parse(text, form)
    if (delivery.event === 'ping') return { status: 200, result: 'pong', reason: `hook ${door.hook.id} works` }
    const asked = readDelivery(delivery, body)
    const { request } = asked
    Object.assign(event, { repository: request?.full_name ?? request?.repository, ref: request?.ref, commit_id: request?.commit_id })
    if ('ignored' in asked) return { status: 200, result: 'ignored', reason: asked.ignored }
    const unwanted = builtByPush(asked, door) ?? door.unwanted(asked.request)
    if (unwanted !== undefined) return { status: 200, result: 'ignored', reason: unwanted }

    const { entry, duplicate } = await rooms.queue.enqueue(asked.request).catch(notDurable)
    event.entry = entry
    if (duplicate) return { status: 200, result: 'duplicate', reason: 'this delivery was accepted before', entry }
    rooms.afterQueued()
    return { status: 202, result: 'queued', reason: `${delivery.event} of ${event.repository} ${asked.request.ref}`, entry }
  }

  function refuse(error: unknown, event: Partial<Decision>): Answer {
    if (error instanceof Refusal && error.status !== 503) return { status: error.status, result: 'refused', reason: error.message }
    if (error instanceof RequestError) return { status: 400, result: 'refused', reason: error.message }
    rooms.log.error({ error: describe(error), hook: event.hook, delivery: event.delivery }, 'could not keep a delivery')
    return { status: 503, result: 'unavailable', reason: error instanceof Refusal ? error.message : 'the receiver met an error; its log says which' }
  }

  /** Every request is logged; decided are those events whose sender is known. */
  function note(c: Context<Env>, event: Partial<Decision>, { status, result, reason }: Answer): void {
    const told = readableLine(reason).slice(0, 500)
    if (event.hook !== undefined) decideTogether({ decision: result, reason: told, ...event })
    rooms.log.info({ method: c.req.method, path: readableLine(c.req.path).slice(0, 200), from: senderOf(c.env.incoming), status, ...event }, `${result}: ${told}`)
  }

  function answerAndNote(c: Context<Env>, answer: Answer): Response {
    note(c, {}, answer)
    return send(c, answer)
  }

  function methodNotAllowed(c: Context<Env>, allowed: string): Response {
    c.header('Allow', allowed)
    return answerAndNote(c, { status: 405, result: 'refused', reason: `expected ${allowed}` })
  }
}

interface Door {
  hook: Hook
  verify: (body: string, signature: string) => Promise<boolean>
  unwanted: Doorkeeper
}

function openDoor(hook: Hook): Door {
  return { hook, verify: new Webhooks({ secret: hook.secret }).verify, unwanted: doorkeeper(hook) }
}

/** A pull request from the same repository: where pushes of its branch are wanted, they have built the commit already. */
function builtByPush({ request, pushedAs }: Extract<Asked, { pushedAs?: string }>, { unwanted }: Door): string | undefined {
  if (pushedAs === undefined) return undefined
  const push = { ...request, ref: pushedAs, pull_request: undefined }
  return unwanted(push) === undefined ? 'built by push' : undefined
}

function parse(text: string, form: BodyForm): unknown {
  const json = form === 'urlencoded' ? new URLSearchParams(text).get('payload') : text
  if (json === null) throw new Refusal(400, 'expected the form field "payload"')
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new Refusal(400, 'the body is not JSON', { cause: error })
  }
}

function notDurable(error: unknown): never {
  const code = codeOf(error)
  throw new Refusal(503, `the delivery could not be made durable${code === undefined ? '' : ` (${code})`}; send it again later`, { cause: error })
}

/** The code of the system's error that is at the bottom, like ENOSPC. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? codeOf(error.cause)) : undefined
}

function describe(error: unknown): string {
  const cause = error instanceof Refusal && error.cause !== undefined ? error.cause : error
  return cause instanceof Error ? (error instanceof Refusal ? cause.message : (cause.stack ?? cause.message)) : String(cause)
}

function send(c: Context<Env>, { status, ...told }: Answer): Response {
  if (status === 503) c.header('Retry-After', retryAfter)
  return c.json({ ...told, reason: readableLine(told.reason).slice(0, 500) }, status)
}
