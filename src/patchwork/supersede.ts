import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDirectory, writeAtomically } from '../disk/write.ts'
import type { SeriesQueue } from './series-queue.ts'
import { markSuperseded, type Superseded } from './series-ledger.ts'

/** Milliseconds and times to look whether an entry that is being claimed has got its build. */
const look = { pause: 50, times: 40 }

/** What became of the older series' entries: how many were dropped before they were built, and how many while. */
export interface Dropped {
  dropped: string[]
  cancelled: string[]
}

/**
 * Ends what is under way for a series, because a newer version has come. The mark comes first: whatever happens next, no
 * result of the older one is told. Doing it again does no harm.
 */
export async function supersede(older: { server: string; id: number; entries: string[] }, by: Superseded, { home, queue }: { home: string; queue: Pick<SeriesQueue, 'drop' | 'find'> }): Promise<Dropped> {
  markSuperseded(home, older, by)
  const result: Dropped = { dropped: [], cancelled: [] }
  for (const entry of older.entries) {
    if (await dropUnbuilt(entry, queue)) result.dropped.push(entry)
    else if (await cancel(entry, by, { home, queue })) result.cancelled.push(entry)
  }
  return result
}

/** What a builder put back has a number and a record, which must end, too: its build is cancelled. */
async function dropUnbuilt(entry: string, queue: Pick<SeriesQueue, 'drop' | 'find'>): Promise<boolean> {
  return (await queue.find(entry))?.build === undefined && queue.drop(entry)
}

/** Asks the build of an entry to end, by the file that it watches for; false where the entry is decided already. */
async function cancel(entry: string, by: Superseded, { home, queue }: { home: string; queue: Pick<SeriesQueue, 'drop' | 'find'> }): Promise<boolean> {
  for (let times = 0; times < look.times; times++) {
    const found = await queue.find(entry)
    if (found === undefined || found.state === 'bad') return false
    if (found.build !== undefined) {
      const directory = makeDirectory(join(home, 'builds', found.build.pipeline, String(found.build.number)))
      writeAtomically(join(directory, 'cancel'), `superseded by version ${by.version}, series ${by.by}\n`)
      return true
    }
    // Its builder has not numbered it yet, or put it back before it did.
    if (found.state !== 'claimed' && (await queue.drop(entry))) return true
    await sleep(look.pause)
  }
  return false
}
