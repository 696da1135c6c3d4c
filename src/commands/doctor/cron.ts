import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installation } from '../../config/home.ts'
import { isCode, orMissing } from '../../disk/read.ts'
import { cronLine } from '../cron-line.ts'
import { duration } from '../show-time.ts'
import { ok, warning, wrong, type Check } from './check.ts'

/** Milliseconds: cron ticks each minute, and may be a bit late. */
const late = 3 * 60_000

/** Whether something starts the builder: a line of cron, and the file that each tick touches. */
export async function checkCron(home: string): Promise<Check[]> {
  const user = await userBesideRoot(home)
  const edit = user === undefined ? 'crontab -e' : `crontab -u ${user} -e`
  const found = (await crontabs(user)).filter(({ text }) => startsBuilder(text, home))
  const everyMinute = found.find(({ text }) => startsBuilder(ofEveryMinute(text), home))
  const place = (everyMinute ?? found[0])?.place
  const tick = orMissing(() => statSync(join(home, 'logs/tick')))?.mtimeMs
  const age = tick === undefined ? undefined : Math.max(0, Date.now() - tick)
  const ticks = age !== undefined && age < late
  const last = age === undefined ? 'the builder was never started' : `the builder was started ${duration(age)} ago`
  // A push starts it, too, where cron never does.
  if (place === undefined && ticks) return [warning('cron', `no line of cron was found, but ${last}: by a push, by hand, or by something that doctor does not look at`, `${edit}, and add: ${cronLine(home)}; unless something else, like a systemd timer, starts it each minute`)]
  if (place === undefined) return [wrong('cron', `no line of cron starts the builder, and ${last}`, `${edit}, and add: ${cronLine(home)}`)]
  if (everyMinute === undefined) return [warning('cron', `the line in ${place} does not start the builder each minute, and ${last}: mails that wait to be tried again and what a push could not start wait for it`, 'let the line begin with * * * * *')]
  if (ticks) return [ok('cron', `${place}; ${last}`)]
  return [warning('cron', `${place} has the line, but ${last}`, 'wait a minute where you have just added it; else see that cron runs (systemctl status cron) and what it says (journalctl -u cron)')]
}

/** A crontab without the lines that cron starts less often. */
function ofEveryMinute(crontab: string): string {
  return crontab.split('\n').filter((line) => !/^\s*[\d*@]/.test(line) || /^\s*(?:\*(?:\/1)?\s+){5}/.test(line)).join('\n')
}

/** Whether a line of a crontab, comments left out, starts `quern build` for this home: one that calls a checkout which was moved does not. */
export function startsBuilder(crontab: string, home: string): boolean {
  let given: string | undefined
  return crontab.split('\n').some((line) => {
    // A line that only sets a variable sets it for those below it.
    given = /^\s*QUERN_HOME\s*=\s*(.*?)\s*$/.exec(line)?.[1]?.replace(/^(['"])(.*)\1$/, '$2') ?? given
    if (/^\s*#/.test(line) || !/\bquern['"]? +build\b/.test(line)) return false
    const launcher = launcherIn(line)
    if (launcher.startsWith('/') && !existsSync(launcher)) return false
    const named = /QUERN_HOME=('[^']*'|"[^"]*"|\S+)/.exec(line)?.[1]?.replace(/^['"]|['"]$/g, '')
    return sameDirectory(named ?? given ?? checkoutOf(launcher), home)
  })
}

/** What a line calls to build, as a shell reads it; cron has a % only after a backslash. */
function launcherIn(line: string): string {
  return (/('[^']*quern'|"[^"]*quern"|\S*quern) +build\b/.exec(line)?.[1]?.replace(/^['"]|['"]$/g, '') ?? '').replaceAll('\\%', '%')
}

/** The home of a line that names none. */
function checkoutOf(launcher: string): string {
  const path = orMissing(() => realpathSync(launcher))
  return path === undefined ? installation() : join(path, '../..')
}

function sameDirectory(one: string, other: string): boolean {
  return (orMissing(() => realpathSync(one)) ?? one) === (orMissing(() => realpathSync(other)) ?? other)
}

/** Whose crontab it is where root looks into the home of another user, in which a line of root's own would be refused. */
async function userBesideRoot(home: string): Promise<string | undefined> {
  const owner = orMissing(() => statSync(home))?.uid ?? 0
  if (process.getuid?.() !== 0 || owner === 0) return undefined
  const { stdout } = await promisify(execFile)('id', ['-un', String(owner)], { timeout: 10_000 }).catch(() => ({ stdout: '' }))
  return stdout.trim() === '' ? undefined : stdout.trim()
}

async function crontabs(user: string | undefined): Promise<{ place: string; text: string }[]> {
  const own = await promisify(execFile)('crontab', user === undefined ? ['-l'] : ['-u', user, '-l'], { timeout: 10_000 }).catch(() => ({ stdout: '' }))
  const system = (orMissing(() => readdirSync('/etc/cron.d')) ?? []).map((name) => join('/etc/cron.d', name))
  return [{ place: user === undefined ? 'your crontab' : `the crontab of ${user}`, text: own.stdout }, ...['/etc/crontab', ...system].map((path) => ({ place: path, text: readable(path) }))]
}

/** Others' files that this user may not read are none of its lines. */
function readable(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'EACCES') || isCode(error, 'EISDIR')) return ''
    throw error
  }
}
