import { get } from 'node:http'
import { get as secureGet } from 'node:https'
import type { QuernConfig } from '../open-config.ts'
import { launcherFor } from '../cron-line.ts'
import { ok, wrong, type Check } from './check.ts'

/** Milliseconds. */
const patience = 5000

/** Whether the receiver of this home answers where the settings say. */
export async function checkReceiver({ home, settings }: QuernConfig): Promise<Check> {
  const { HOST, PORT, TLS_KEY } = settings
  const host = HOST === '0.0.0.0' || HOST === '::' ? (HOST === '::' ? '[::1]' : '127.0.0.1') : HOST.includes(':') ? `[${HOST}]` : HOST
  const url = `${TLS_KEY === undefined ? 'http' : 'https'}://${host}:${PORT}/healthz`
  try {
    const status = await statusOf(url)
    if (status === 200) return ok('receiver', `answers at ${url}`)
    return wrong('receiver', `${url} answers ${status} instead of 200: something else listens there`, 'stop it, or set PORT in environment.sh')
  } catch (error) {
    return wrong('receiver', `${url} does not answer: ${(error as Error).message}`, `start it: start-webhook.sh, a systemd unit, or ${launcherFor(home)} serve (docs/set-up.md)`)
  }
}

/** The certificate may be for the public name, or self-signed: whether somebody answers is all that is asked. */
function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { timeout: patience, rejectUnauthorized: false, agent: false as const }
    const request = (url.startsWith('https:') ? secureGet : get)(url, options, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${patience / 1000} s`))).on('error', reject)
  })
}
