/*
 * What was seen of one project of one server: ledger/patchwork/<server-project>.jsonl. A line tells of an event, of what a
 * series has become, or of both; the newest line about a series counts. Lines are appended, and synced, only after what they
 * tell is durable: an entry that was enqueued just before a crash is enqueued again and answered as a duplicate.
 *
 * There is no cursor besides: it is the newest date among the events.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import * as v from 'valibot'
import { readIfThere } from '../disk/read.ts'
import { makeDirectory, syncDirectory, writeAtomically } from '../disk/write.ts'
import { serverDate } from './answers.ts'

/**
 * What a series has become. `announced`: its first mail is here; `waiting`: said to be complete, and is not;
 * `incomplete`: given up, until its missing parts come after all.
 */
const seriesStates = ['before', 'announced', 'waiting', 'incomplete', 'queued', 'superseded', 'expired', 'ignored'] as const

const lineSchema = v.object({
  /** Our clock, ISO 8601. */
  at: v.string(),
  event: v.optional(v.object({ id: v.number(), category: v.string(), date: serverDate })),
  series: v.optional(v.number()),
  state: v.optional(v.picklist(seriesStates)),
  version: v.optional(v.number()),
  /** Who sent it and what it is called: the same for all versions. */
  title: v.optional(v.string()),
  /** The entries that it became, by pipeline. */
  entries: v.optional(v.record(v.string(), v.string())),
  /** How many patches it had when it was queued. */
  patches: v.optional(v.number()),
  /** That the project was found on the server, or that series which never complete were looked for. */
  did: v.optional(v.picklist(['started', 'scanned'])),
})
export type Line = v.InferOutput<typeof lineSchema>

export type SeriesState = Line & { series: number; state: (typeof seriesStates)[number] }

export interface Journal {
  /** When that was done last, in milliseconds. */
  last(did: 'started' | 'scanned'): number | undefined
  /** The newest event of the category, by the server's date; one past `latest`, by a clock that was wrong, only where there is no other. */
  newest(category: string, latest?: string): string | undefined
  hasEvent(id: number): boolean
  series(id: number): SeriesState | undefined
  /** What was sent under that title and is queued or not complete yet: the versions whose place none has taken. */
  ofTitle(title: string): SeriesState[]
  /** Series that are announced or waiting, oldest first. */
  open(): SeriesState[]
  /** Adds lines. Once it returns they would survive a power cut. @throws the file system's error; then none of them counts */
  append(lines: Line[]): void
}

/** States of a series that is built, or still may be. */
const current: ReadonlySet<string> = new Set(['waiting', 'incomplete', 'queued'])

/** Past so many lines the file is written anew, with so many events and series kept. */
const mostLines = 40_000
const keptEvents = 5000
const keptSeries = 10_000

export function openJournal(path: string): Journal {
  const events = new Map<number, Line>()
  const series = new Map<number, SeriesState>()
  const titles = new Map<string, Set<number>>()
  const newest = new Map<string, string>()
  const done = new Map<string, number>()
  makeDirectory(dirname(path))
  const lines = readLines(path)
  for (const line of lines) take(line)
  if (lines.length > mostLines) compact()

  return {
    last: (did) => done.get(did),
    newest(category, latest) {
      const date = newest.get(category)
      if (date === undefined || latest === undefined || date <= latest) return date
      const dates = [...events.values()].flatMap(({ event }) => (event?.category === category && event.date <= latest ? [event.date] : []))
      return dates.toSorted().at(-1) ?? date
    },
    hasEvent: (id) => events.has(id),
    series: (id) => series.get(id),
    ofTitle: (title) => [...(titles.get(title) ?? [])].map((id) => series.get(id)!),
    open: () => [...series.values()].filter(({ state }) => state === 'announced' || state === 'waiting'),
    append(added) {
      if (added.length === 0) return
      appendDurably(path, added.map((line) => `${JSON.stringify(line)}\n`).join(''))
      for (const line of added) take(line)
    },
  }

  function take(line: Line): void {
    const { event, did } = line
    if (did !== undefined) done.set(did, Date.parse(line.at))
    if (event !== undefined) {
      events.set(event.id, line)
      if (event.date > (newest.get(event.category) ?? '')) newest.set(event.category, event.date)
    }
    if (isSeriesState(line)) takeSeries(line)
  }

  function takeSeries(line: SeriesState): void {
    const merged = { ...series.get(line.series), ...line }
    series.set(line.series, merged)
    if (merged.title === undefined) return
    const same = titles.get(merged.title) ?? new Set()
    titles.set(merged.title, same)
    if (current.has(merged.state)) same.add(line.series)
    else same.delete(line.series)
  }

  function compact(): void {
    const lately = [...events.values()].slice(-keptEvents)
    const open = new Set(['announced', 'waiting'])
    const states = [...series.values()]
    const kept = states.filter((one, index) => index >= states.length - keptSeries || open.has(one.state))
    const dids = [...done].map(([did, at]) => ({ at: new Date(at).toISOString(), did }))
    // A state that stands after its event's line: the events are told again without the series that they had been about.
    const told = [...dids, ...lately.map(({ at, event }) => ({ at, event })), ...kept.map(({ event: _event, ...one }) => one)]
    writeAtomically(path, told.map((line) => `${JSON.stringify(line)}\n`).join(''), { durable: true })
  }
}

function isSeriesState(line: Line): line is SeriesState {
  return line.series !== undefined && line.state !== undefined
}

/** A line that a crash tore is no line; nothing was said of it to anybody. */
function readLines(path: string): Line[] {
  return (readIfThere(path) ?? '').split('\n').flatMap((text) => {
    const parsed = text === '' ? undefined : v.safeParse(v.pipe(v.string(), v.parseJson(), lineSchema), text)
    return parsed?.success === true ? [parsed.output] : []
  })
}

function appendDurably(path: string, text: string): void {
  const descriptor = openSync(path, 'a+')
  try {
    const { size } = fstatSync(descriptor)
    const bytes = Buffer.from(endsTorn(descriptor, size) ? `\n${text}` : text)
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset)
    fsyncSync(descriptor)
    if (size === 0) syncDirectory(dirname(path))
  } finally {
    closeSync(descriptor)
  }
}

function endsTorn(descriptor: number, size: number): boolean {
  const last = Buffer.alloc(1)
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
}
