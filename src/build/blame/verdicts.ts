import { existsSync, readdirSync, lstatSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing, readIfThere } from '../../disk/read.ts'
import { makeDirectory, writeAtomically } from '../../disk/write.ts'
import { parseBuildName, type RunResult } from '../../model/build.ts'
import { wholeJson } from '../../model/whole-json.ts'
import type { Records } from '../../record/open-records.ts'

/** How a run of a tree ended, in `cache/verdicts/<key>.json`. What it left is in the record of its build. */
export interface StoredVerdict extends Pick<RunResult, 'code' | 'signal' | 'reason' | 'note'> {
  verdict: 'passed' | 'failed' | 'timed-out'
  /** `<pipeline>/<number>`, and that build's entry: a home that was made anew numbers from 1 again. */
  build: string
  entry: string
  run: string
}

/** Verdicts that may be taken again. */
export interface Verdicts {
  /** The verdict under a key. A red one answers only where a failure is compared with a parent: who asks for a build of a red tree wants it tried. */
  find(key: string, asked: 'request' | 'parent'): StoredVerdict | undefined
  keep(key: string, verdict: StoredVerdict): void
}

/** How many verdicts of builds that are not decided yet are remembered. */
const mostRemembered = 1000

export function openVerdicts(home: string, records: Records): Verdicts {
  const pathOf = (key: string) => join(directoryOf(home), `${key}.json`)
  // The build that was claimed ahead gets the slot of the run that tells its verdict before that one's build is decided.
  const own = new Map<string, string>()
  return {
    find(key, asked) {
      // None of these files is synced: one that a power cut tore is no verdict.
      const stored = (wholeJson(readIfThere(pathOf(key))) ?? undefined) as StoredVerdict | undefined
      if (stored === undefined || (asked === 'request' && stored.verdict !== 'passed')) return undefined
      const build = parseBuildName(stored.build)
      // Its outputs went with its record.
      const isOurs = own.get(key) === stored.entry || (build !== undefined && records.result(build)?.entry === stored.entry)
      return build !== undefined && isOurs && existsSync(records.directory(build)) ? stored : undefined
    },
    keep(key, verdict) {
      makeDirectory(directoryOf(home))
      writeAtomically(pathOf(key), `${JSON.stringify(verdict)}\n`)
      own.set(key, verdict.entry)
      if (own.size > mostRemembered) own.delete(own.keys().next().value!)
    },
  }
}

/** Forgets verdicts that were stored before a time. Returns how many. @param before milliseconds since 1970 */
export function pruneVerdicts(home: string, { before, dryRun }: { before: number; dryRun: boolean }): number {
  const directory = directoryOf(home)
  const old = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => (orMissing(() => lstatSync(join(directory, name)).mtimeMs) ?? before) < before)
  if (!dryRun) for (const name of old) rmSync(join(directory, name), { force: true })
  return old.length
}

function directoryOf(home: string): string {
  return join(home, 'cache', 'verdicts')
}
