import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readStrangersFile } from '../../disk/read-strangers-file.ts'
import { buildName } from '../../model/build.ts'
import { directoryName } from '../../model/names.ts'
import type { Plan, PlannedRun } from '../../model/plan.ts'
import { readableLine } from '../../model/readable.ts'
import type { Attempt } from '../attempt.ts'
import { removeTree, workDirectory } from './work-directory.ts'

/** `$QUERN_SHARED`: one directory that all runs of a build may write. */
export interface SharedDirectory {
  /** Undefined for script chunks, which are one run. */
  path: string | undefined
  /** The first characters of `$QUERN_SHARED/<job>.txt`, for reports. */
  noteOf(run: PlannedRun): string | undefined
  remove(): Promise<void>
}

/** Characters of a note, and bytes of a file that is taken for one. */
const noteLength = 40
const largestNote = 64 * 1024

/** Makes the shared directory of a build. Runs of an isolating executor have user ids of their own, so it is open to all who can reach it. */
export function openSharedDirectory({ workshop, claim, stop }: Attempt, { pipeline }: Plan): SharedDirectory {
  if (pipeline === 'chunks') return { path: undefined, noteOf: () => undefined, remove: async () => {} }
  // Nobody else of this host gets through the directory around it.
  const around = join(workDirectory(workshop.home), directoryName(`${buildName(claim.build)}/`))
  const path = join(around, 'shared')
  mkdirSync(path, { recursive: true })
  chmodSync(around, 0o700)
  chmodSync(path, 0o777)
  return {
    path,
    noteOf: ({ name, job }) => noteIn(path, name) ?? noteIn(path, job),
    remove: async () => {
      if (!stop.released()) await removeTree(around)
    },
  }
}

function noteIn(directory: string, name: string): string | undefined {
  if (name.includes('/') || Buffer.byteLength(name) > 250) return undefined
  const text = readStrangersFile(join(directory, `${name}.txt`), largestNote)
  const note = text === undefined ? '' : [...readableLine(text)].slice(0, noteLength).join('')
  return note === '' ? undefined : note
}
