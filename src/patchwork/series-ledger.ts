import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { isCode, orMissing, readIfThere } from '../disk/read.ts'
import { makeDirectory, syncDirectory, writeAtomically } from '../disk/write.ts'
import { seriesName } from './source-name.ts'

/*
 * What a home remembers of a series, in ledger/series/:
 *
 *   <server>-<id>.superseded   a newer version has come; results of this one are told to nobody any more
 *   <server>-<id>.mail         the build that owns the one mail about this series
 *   <server>-<id>.outcome-<…>  what a decided pipeline has to say to the author; the last part follows from its name
 */

const supersededSchema = v.object({ by: v.number(), version: v.number() })
export type Superseded = v.InferOutput<typeof supersededSchema>

const outcomeSchema = v.object({
  pipeline: v.string(),
  build: v.string(),
  /** The patches that broke something in it, in their order. */
  failed: v.array(v.object({ n: v.number(), msgid: v.string(), name: v.string(), failures: v.array(v.object({ context: v.string(), digest: v.string(), url: v.optional(v.string()) })) })),
})
export type SeriesOutcome = v.InferOutput<typeof outcomeSchema>

interface SeriesId {
  server: string
  id: number
}

/** The newer version that took the place of this series, if any. To be asked again just before anything is posted. */
export function supersededBy(home: string, series: SeriesId): Superseded | undefined {
  const text = readIfThere(pathOf(home, series, 'superseded'))
  return text === undefined ? undefined : v.parse(v.pipe(v.string(), v.parseJson(), supersededSchema), text)
}

/** Remembers it; once this returns it would survive a power cut. */
export function markSuperseded(home: string, series: SeriesId, by: Superseded): void {
  const path = pathOf(home, series, 'superseded')
  makeDirectory(dirname(path))
  writeAtomically(path, `${JSON.stringify(by)}\n`, { durable: true })
}

/**
 * Makes the build the owner of the series' one mail, unless another one is, and returns the owner. However many builds,
 * retries and builders ask, all get the same answer; once this returns it would survive a power cut.
 */
export function ownMail(home: string, series: SeriesId, build: string): string {
  const path = pathOf(home, series, 'mail')
  makeDirectory(dirname(path))
  const mine = `${path}.${process.pid}.tmp`
  writeSynced(mine, build)
  try {
    linkSync(mine, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  } finally {
    rmSync(mine, { force: true })
  }
  syncDirectory(dirname(path))
  return readIfThere(path)!
}

/** Keeps what one pipeline has to say, in place of what it said before. Once this returns it would survive a power cut. */
export function keepOutcome(home: string, series: SeriesId, outcome: SeriesOutcome): void {
  const path = pathOf(home, series, `outcome-${createHash('sha256').update(outcome.pipeline).digest('hex').slice(0, 16)}`)
  makeDirectory(dirname(path))
  writeAtomically(path, `${JSON.stringify(outcome)}\n`, { durable: true })
}

/** What the pipelines say that are decided. */
export function readOutcomes(home: string, series: SeriesId): SeriesOutcome[] {
  const directory = join(home, 'ledger/series')
  const names = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => name.startsWith(`${seriesName(series)}.outcome-`))
  return names.toSorted().map((name) => v.parse(v.pipe(v.string(), v.parseJson(), outcomeSchema), readIfThere(join(directory, name))!))
}

function pathOf(home: string, series: SeriesId, kind: string): string {
  return join(home, 'ledger/series', `${seriesName(series)}.${kind}`)
}

function writeSynced(path: string, text: string): void {
  const descriptor = openSync(path, 'w')
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
