import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../../disk/read.ts'
import { verifyServer } from '../../publish/email.ts'
import type { QuernConfig } from '../open-config.ts'
import { duration } from '../show-time.ts'
import { counted, ok, warning, wrong, type Check } from './check.ts'

/** Milliseconds after which a report that still waits says that something is wrong. */
const longWait = 3600_000

/** Whether mail can leave, and what could not. */
export async function checkMail({ home, settings }: QuernConfig): Promise<Check[]> {
  return [await checkServer(settings.SMTP_URL), checkDead(home), checkWaiting(home)]
}

async function checkServer(url: string): Promise<Check> {
  const { host } = new URL(url)
  const problem = await verifyServer(url)
  return problem === undefined ? ok('mail server', `${host} answers`) : wrong('mail server', `${host}: ${problem}`, remedyFor(problem))
}

/** A server that answers is not to be installed: how it is spoken to does not suit it. */
function remedyFor(problem: string): string {
  const example = 'smtp://user:password@mail.example.org:587'
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|timeout/i.test(problem)) return `start a mail server there (apt install exim4), or set SMTP_URL in environment.sh: ${example}`
  return `somebody answers there: make SMTP_URL in environment.sh suit it, like ${example}: smtps:// only for a port that begins with TLS (465), user and password as it knows them (an @ in them is %40), a certificate that this host trusts`
}

function checkDead(home: string): Check {
  const dead = names(join(home, 'outbox/dead')).filter((name) => name.endsWith('.json'))
  if (dead.length === 0) return ok('undelivered', 'no report was given up')
  return warning('undelivered', `${counted(dead.length, 'report was', 'reports were')} given up, the reason beside each: ${dead.slice(0, 3).join(', ')}`, `look at outbox/dead/*.reason; to try again: mv ${home}/outbox/dead/NAME.json ${home}/outbox/0-NAME.json; to be done with it: rm`)
}

function checkWaiting(home: string): Check {
  const waiting = names(join(home, 'outbox')).filter((name) => /^\d+-/.test(name))
  const now = Date.now()
  const longest = waiting.reduce((most, name) => Math.max(most, now - (orMissing(() => statSync(join(home, 'outbox', name)))?.mtimeMs ?? now)), 0)
  if (longest < longWait) return ok('outbox', `${counted(waiting.length, 'report waits', 'reports wait')}`)
  return warning('outbox', `${counted(waiting.length, 'report waits', 'reports wait')}, the longest for ${duration(longest)}`, 'see why with: quern logs --builder')
}

function names(directory: string): string[] {
  return orMissing(() => readdirSync(directory)) ?? []
}
