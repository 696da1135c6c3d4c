import { statSync } from 'node:fs'
import { get } from 'node:http'
import { get as secureGet } from 'node:https'
import { join } from 'node:path'
import { knownHomeId } from '../../build/world.ts'
import { orMissing } from '../../disk/read.ts'
import type { QuernConfig } from '../open-config.ts'
import { launcherFor } from '../cron-line.ts'
import { receiverUrl } from '../receiver-url.ts'
import { ok, warning, wrong, type Check } from './check.ts'

/** Milliseconds. */
const patience = 5000

/** Whether the receiver of this home answers where the settings say. */
export async function checkReceiver({ home, settings }: QuernConfig): Promise<Check> {
  const url = `${receiverUrl(settings)}/healthz`
  try {
    const { status, body } = await answerOf(url)
    const answering = /"home":"(\w+)"/.exec(body)?.[1]
    if (status === 200 && answering !== undefined && answering !== orMissing(() => knownHomeId(home))) return wrong('receiver', `${url} is answered by the receiver of another home, or of this one at its former place`, 'stop that one (stop-webhook.sh with its QUERN_HOME) and start this one, or set PORT in environment.sh')
    const changed = status === 200 ? changedSince(home, /"since":"([^"]+)"/.exec(body)?.[1]) : undefined
    if (changed !== undefined) return warning('receiver', `answers at ${url}, but was started before ${changed} was changed, and reads it at its start alone`, 'start it anew, or it goes by what was there before: stop-webhook.sh and start-webhook.sh, or systemctl restart')
    if (status === 200) return ok('receiver', `answers at ${url}`)
    return wrong('receiver', `${url} answers ${status} instead of 200: something else listens there`, 'stop it, or set PORT in environment.sh')
  } catch (error) {
    return wrong('receiver', `${url} does not answer: ${(error as Error).message}`, `start it: start-webhook.sh, a systemd unit, or ${launcherFor(home)} serve (docs/set-up.md)`)
  }
}

/** The file of settings that was changed after that time. */
function changedSince(home: string, time: string | undefined): string | undefined {
  if (time === undefined) return undefined
  return ['environment.sh', 'quern.yaml'].find((name) => (orMissing(() => statSync(join(home, name)))?.mtimeMs ?? 0) > Date.parse(time))
}

/** The certificate may be for the public name, or self-signed: who answers is all that is asked. */
function answerOf(url: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const options = { signal: AbortSignal.timeout(patience), rejectUnauthorized: false, agent: false as const }
    const request = (url.startsWith('https:') ? secureGet : get)(url, options, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body = (body + text).slice(0, 1000)))
      response.on('end', () => resolve({ status: response.statusCode, body })).on('error', reject)
    })
    request.on('error', (error) => reject(error.name === 'AbortError' || error.name === 'TimeoutError' ? new Error(`no answer within ${patience / 1000} s`) : error))
  })
}
