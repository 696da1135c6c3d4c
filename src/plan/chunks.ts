import { join } from 'node:path'
import type { PlannedRun } from '../model/plan.ts'
import { isTrusted } from '../model/request.ts'
import type { Request } from '../model/request.ts'
import type { CloneSettings } from './clone-url.ts'
import { requestEnvironment } from './environment.ts'
import { findChunks } from './find-chunks.ts'
import type { Chunk } from './find-chunks.ts'
import { mayUseNetwork, type Grants } from './grants.ts'
import type { Planned } from './planned.ts'
import { readChunk } from './read-chunk.ts'

export interface ChunkSettings {
  clone: CloneSettings
  /** Where chunks are looked for; the first that has one wins: the home's scripts, then the shipped ones. */
  directories: string[]
  /** Full refs (`refs/heads/main`) or branches (`main`) that may distribute; empty: all. */
  distributeRefs: string[]
  /** Minutes. */
  timeout: number
  grants: Grants
}

/** Settles a request by script chunks: one run of one script. @throws {PlanError} where a chunk or a setting is missing or wrong */
export function planChunks(request: Request, why: string, settings: ChunkSettings): Planned {
  const chunks = findChunks(request, settings)
  if (chunks === undefined) return { ignored: `no chunk for ${request.ref} in ${settings.directories[0]}: it only has chunks for other refs` }
  const run: PlannedRun = {
    name: 'build',
    job: 'build',
    executor: isTrusted(request) ? 'shell' : 'sandbox',
    script: assembleScript(chunks),
    needs: [],
    workspace: 'none',
    env: requestEnvironment(request, settings.clone),
    params: {},
    secrets: [],
    timeout: settings.timeout,
    network: mayUseNetwork(request, settings.grants),
    artifacts: [],
    // Two pushes of a branch that are built at once must not overtake each other on the way out.
    ...(chunks.some(({ name }) => name.startsWith('distribute_')) && { group: `distribute ${request.full_name ?? request.repository} ${request.ref}` }),
  }
  return { pipeline: 'chunks', why, runs: [run], notify: [] }
}

/** The directories that chunks come from, the home's first. */
export function chunkDirectories({ home, shipped }: { home: string; shipped: string }): string[] {
  return [...new Set([join(home, 'scripts'), join(shipped, 'scripts')])]
}

/** One bash script of the chunks' texts, each between markers that the console shows. */
function assembleScript(chunks: Chunk[]): string {
  return [
    '#!/bin/bash\nset -ex\n',
    say('"Starting at $(date)"'),
    ...chunks.map(({ name, path }) => `${say(`'### Start of ${name} ###'`)}${readChunk(path)}${say(`'### End of ${name} ###'`)}`),
    say('"Successful at $(date)"'),
  ].join('')
}

/** Prints a line without the copy that `set -x` would print of the command. */
function say(words: string): string {
  return `{ echo ${words}; } 2>/dev/null\n`
}
