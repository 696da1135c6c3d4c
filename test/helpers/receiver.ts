import { createHmac, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Decision } from '../../src/ledger/ledger.ts'
import type { Request } from '../../src/model/request.ts'
import { webhookApp, type WebhookRooms } from '../../src/webhook/app.ts'
import { startReceiver } from '../../src/webhook/start-receiver.ts'

export const secret = 'not-a-real-secret'

/** A receiver on a free port that remembers what it decided, logged and queued; stopped when the test ends. */
export async function receiver(rooms: Partial<WebhookRooms> = {}) {
  const decisions: Decision[] = []
  const lines: string[] = []
  const queued: Request[] = []
  const app = webhookApp({
    hooks: [{ id: 'amp_main', secret }],
    homeId: 'test',
    prefix: '/webhook',
    queue: {
      async enqueue(request) {
        const duplicate = queued.some(({ hook, delivery }) => hook === request.hook && delivery === request.delivery)
        if (!duplicate) queued.push(request)
        return { entry: `1.000001-${request.delivery}.json`, duplicate }
      },
    },
    ledger: { decide: (decision) => void decisions.push(decision) },
    log: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
    afterQueued: () => {},
    ...rooms,
  })
  const running = await startReceiver(app, { host: '127.0.0.1', port: 0 })
  onTestFinished(() => running.stop(0))
  return { ...running, decisions, lines, queued, hook: `${running.url}/webhook/amp_main` }
}

export interface DeliveryOptions {
  event?: string
  id?: string
  /** Further headers; undefined leaves one out. */
  headers?: Record<string, string | undefined>
  method?: string
}

/** Sends a signed delivery as GitHub does and returns what was answered. */
export async function deliver(url: string, body: unknown, { event = 'push', id = randomUUID(), headers = {}, method = 'POST' }: DeliveryOptions = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const all = {
    'content-type': 'application/json',
    'x-github-event': event,
    'x-github-delivery': id,
    'x-hub-signature-256': signature(text),
    ...headers,
  }
  const response = await fetch(url, { method, body: text, headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string> })
  return { status: response.status, headers: response.headers, body: (await response.json()) as { result: string; reason: string; entry?: string } }
}

export function signature(body: string | Uint8Array, key = secret): string {
  return `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
}

/** A payload that GitHub sent, from test/fixtures/github; changed as the test wants. */
// oxlint-disable-next-line typescript/no-explicit-any -- payloads are changed in every place
export function payload(name: string, change: (payload: any) => void = () => {}): any {
  const body = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/github', `${name}.json`), 'utf8'))
  change(body)
  return body
}
