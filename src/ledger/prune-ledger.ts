import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'

/** Removes the decisions of days before a date. Returns how many days. @param before milliseconds since 1970 */
export function pruneLedger(directory: string, { before, dryRun }: { before: number; dryRun: boolean }): number {
  const first = `${new Date(before).toISOString().slice(0, 10)}.jsonl`
  const old = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => /^\d{4}-\d\d-\d\d\.jsonl$/.test(name) && name < first)
  if (!dryRun) for (const name of old) rmSync(join(directory, name), { force: true })
  return old.length
}
