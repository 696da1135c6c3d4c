import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { readNote } from './claim-note.ts'
import { readEntry } from './entry.ts'
import { compareNames, isFitting } from './names.ts'
import { look, type Places } from './places.ts'
import type { Listed } from './queue.ts'
import { listNames } from './waiting.ts'

/** What is claimed, what waits, what waits in low/ and what is bad, each oldest first. */
export function listEntries(places: Places): Listed[] {
  const claimed = regular(places.claimed, readdirSync(places.claimed).filter(isFitting)).map(({ entry, request }) => {
    const note = readNote(places.claimed, entry)
    return listed(entry, 'claimed', { request, build: note && { pipeline: note.pipeline, number: note.number } })
  })
  const waiting = regular(places.waiting, listNames(places.waiting)).map(({ entry, request }) => listed(entry, 'waiting', { request }))
  const low = regular(places.low, listNames(places.low)).map(({ entry, request }) => listed(entry, 'low', { request }))
  const bad = regular(places.bad, readdirSync(places.bad).filter(isFitting)).map(({ entry, request }) =>
    listed(entry, 'bad', { request, reason: readIfThere(join(places.bad, `${entry}.reason`))?.trim() }),
  )
  return [...claimed, ...waiting, ...low, ...bad]
}

function regular(place: string, names: string[]): { entry: string; request: Listed['request'] }[] {
  return names.sort(compareNames).flatMap((entry) => {
    const stats = look(join(place, entry))
    if (stats === undefined || !stats.isFile()) return []
    const read = readEntry(join(place, entry), stats.size)
    return read === undefined ? [] : [{ entry, request: 'request' in read ? read.request : undefined }]
  })
}

function listed(entry: string, state: Listed['state'], { request, build, reason }: { [Key in 'request' | 'build' | 'reason']?: Listed[Key] | undefined }): Listed {
  return { entry, state, ...(request && { request }), ...(build && { build }), ...(reason && { reason }) }
}
