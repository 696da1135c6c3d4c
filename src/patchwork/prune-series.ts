import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'

/** What a home remembers of one series, in ledger/series/. */
export interface Remembered {
  /** See `seriesName`. */
  name: string
  files: string[]
  /** When something was added last, in milliseconds. */
  newest: number
}

/** Everything that is remembered, by series; see series-ledger.ts. */
export function rememberedSeries(home: string): Remembered[] {
  const directory = join(home, 'ledger/series')
  const series = new Map<string, Remembered>()
  for (const file of orMissing(() => readdirSync(directory)) ?? []) {
    const changed = orMissing(() => lstatSync(join(directory, file)).mtimeMs)
    // What was half written when somebody died begins with a dot.
    const name = file.replace(/^\./, '').split('.')[0]!
    if (changed === undefined) continue
    const { files, newest } = series.get(name) ?? { files: [], newest: 0 }
    series.set(name, { name, files: [...files, file], newest: Math.max(newest, changed) })
  }
  return [...series.values()]
}

/** Forgets it: tested again after this, its newer version would not be known, and its author could be mailed a second time. */
export function forgetSeries(home: string, { files }: Remembered): void {
  for (const file of files) rmSync(join(home, 'ledger/series', file), { force: true })
}

/** The series whose patch a ref keeps, see `seriesRef`. */
export function seriesOfRef(ref: string): string | undefined {
  return /^refs\/quern\/series\/([^/]+)\/[^/]+$/.exec(ref)?.[1]
}
