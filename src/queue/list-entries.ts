import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { readNote } from './claim-note.ts'
import { readEntry } from './entry.ts'
import { compareNames, isFitting } from './names.ts'
import { look, type Places } from './places.ts'
import type { Listed } from './queue.ts'
import { listNames } from './waiting.ts'

/** What is claimed, what waits, what waits in low/ and what is bad, each oldest first. A released entry waits with the build whose number it keeps. */
export function listEntries(places: Places): Listed[] {
  const inClaimed = readdirSync(places.claimed)
  // Among 200,000 that wait hardly one was released: names are compared, so that no file is looked for in vain.
  const noted = new Set(inClaimed)
  const buildOf = (entry: string) => {
    const note = noted.has(`${entry}.build`) ? readNote(places.claimed, entry) : undefined
    return note && { pipeline: note.pipeline, number: note.number }
  }
  const withBuild = (state: Listed['state']) => ({ entry, request, problem }: Regular) =>
    listed(entry, state, { request, build: buildOf(entry), reason: problem && `no request yet (${problem}); if it stays so, a builder sets it aside in queue/bad a minute after it was written` })
  const claimed = regular(places.claimed, inClaimed.filter(isFitting)).map(withBuild('claimed'))
  const waiting = regular(places.waiting, listNames(places.waiting)).map(withBuild('waiting'))
  const low = regular(places.low, listNames(places.low)).map(withBuild('low'))
  const bad = regular(places.bad, readdirSync(places.bad).filter(isFitting)).map(({ entry, request, problem }) =>
    listed(entry, 'bad', { request, reason: readIfThere(join(places.bad, `${entry}.reason`))?.trim() ?? problem }),
  )
  return [...claimed, ...waiting, ...low, ...bad]
}

interface Regular {
  entry: string
  request?: Listed['request']
  problem?: string
}

function regular(place: string, names: string[]): Regular[] {
  return names.sort(compareNames).flatMap((entry) => {
    const stats = look(join(place, entry))
    if (stats === undefined || !stats.isFile()) return []
    const read = readEntry(join(place, entry), stats.size)
    return read === undefined ? [] : [{ entry, ...read }]
  })
}

function listed(entry: string, state: Listed['state'], { request, build, reason }: { [Key in 'request' | 'build' | 'reason']?: Listed[Key] | undefined }): Listed {
  return { entry, state, ...(request && { request }), ...(build && { build }), ...(reason && { reason }) }
}
