import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeDurably } from '../disk/write.ts'
import { isCode, orMissing, readIfThere } from '../disk/read.ts'
import type { BuildId, BuildResult } from '../model/build.ts'
import type { Status } from '../model/verdict.ts'
import { readResult } from './read-result.ts'

/** The builds of a home, as directories: builds/<pipeline>/<number>/. */
export interface Records {
  /** Gives the next number of a pipeline and makes its directory. Numbers rise and are never reused. Only under the builder's lock. */
  reserve(pipeline: string): BuildId
  directory(build: BuildId): string
  /** The word in the status file; undefined for a build that is not there or never started. */
  status(build: BuildId): Status | undefined
  /** How the build ended; undefined while it has not, or where its file is torn. */
  result(build: BuildId): BuildResult | undefined
}

export function openRecords(home: string): Records {
  const builds = join(home, 'builds')
  const newest = new Map<string, number>()
  const directory = ({ pipeline, number }: BuildId) => join(builds, pipeline, String(number))
  return {
    reserve(pipeline) {
      // Were it lost in a power cut, its numbers would be given again.
      const parent = makeDurably(join(builds, pipeline))
      const number = makeNumbered(parent, newest.get(pipeline) ?? newestIn(parent))
      newest.set(pipeline, number)
      return { pipeline, number }
    },
    directory,
    status: (build) => readIfThere(join(directory(build), 'status'))?.trim() as Status | undefined,
    result: (build) => readResult(readIfThere(join(directory(build), 'result.json'))),
  }
}

/** The newest number in a pipeline's directory, 0 where there is none. Retention keeps the newest build, so no number comes twice. */
function newestIn(parent: string): number {
  const names = orMissing(() => readdirSync(parent)) ?? []
  return names.reduce((newest, name) => (/^[1-9]\d*$/.test(name) ? Math.max(newest, Number(name)) : newest), 0)
}

function makeNumbered(parent: string, newest: number): number {
  for (let number = newest + 1; ; number++) {
    try {
      mkdirSync(join(parent, String(number)))
      return number
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
    }
  }
}
