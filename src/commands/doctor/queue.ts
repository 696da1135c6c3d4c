import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../../disk/read.ts'
import { readableLine } from '../../model/readable.ts'
import { counted, ok, warning, type Check } from './check.ts'

/** What the queue set aside because it is no request, or cost too many builders. */
export function checkQueue(home: string): Check {
  const bad = join(home, 'queue/bad')
  const reasons = (orMissing(() => readdirSync(bad)) ?? []).filter((name) => name.endsWith('.reason'))
  const [first] = reasons
  if (first === undefined) return ok('queue', 'no entry was set aside')
  const reason = readIfThere(join(bad, first))?.trim() ?? ''
  return warning('queue', `${counted(reasons.length, 'entry was', 'entries were')} set aside; ${readableLine(`${first.slice(0, -'.reason'.length)}: ${reason}`)}`, `mend it and mv it from ${bad} back to ${home}/queue, or rm it with its .reason`)
}
