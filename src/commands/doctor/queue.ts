import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../../disk/read.ts'
import { readableLine } from '../../model/readable.ts'
import { counted, ok, warning, type Check } from './check.ts'

/** The list that `quern builds` reads, where there is something to list. */
export function checkIndex(home: string): Check {
  const pipelines = orMissing(() => readdirSync(join(home, 'builds'), { withFileTypes: true })) ?? []
  if (existsSync(join(home, 'builds/index.jsonl')) || !pipelines.some((entry) => entry.isDirectory())) return ok('index', 'quern builds lists every build')
  return warning('index', 'builds/index.jsonl is gone: quern builds lists nothing older', 'quern builds --reindex')
}

/** What the queue set aside because it is no request, or cost too many builders. */
export function checkQueue(home: string): Check {
  const bad = join(home, 'queue/bad')
  const reasons = (orMissing(() => readdirSync(bad)) ?? []).filter((name) => name.endsWith('.reason'))
  const [first] = reasons
  if (first === undefined) return ok('queue', 'no entry was set aside')
  const reason = readIfThere(join(bad, first))?.trim() ?? ''
  return warning('queue', `${counted(reasons.length, 'entry was', 'entries were')} set aside; ${readableLine(`${first.slice(0, -'.reason'.length)}: ${reason}`)}`, `mend it and mv it from ${bad} back to ${home}/queue, or rm it with its .reason`)
}
