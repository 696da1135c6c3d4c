import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { homeInside } from './container-options.ts'
import { environmentFile } from './environment-file.ts'
import type { Execution } from './executor.ts'
import { inside } from './sandbox-files.ts'
import { makeTemporary } from './temporary.ts'

/** What a container brings along. */
export interface Luggage {
  /** The directory around it, which only the builder can enter; removed with all that is in it. */
  private: string
  /** What becomes /quern. */
  shown: string
}

/** The directory that becomes /quern inside; it holds secrets, so it lies in one that only the builder can enter. */
export function packLuggage({ script, env, id, workspace, mounts = [] }: Execution): Luggage {
  const closed = makeTemporary('container')
  const shown = join(closed, 'quern')
  mkdirSync(shown)
  // Inside it is read-only: the engine could not make a place there for what is mounted below it, like a mirror.
  for (const { to } of mounts) if (to.startsWith('/quern/')) mkdirSync(join(closed, to), { recursive: true })
  copyFileSync(script, join(shown, 'script.sh'))
  writeFileSync(join(shown, 'environment.sh'), environmentFile({ ...asInside(env, workspace), QUERN_RUN: id }))
  for (const path of [shown, join(shown, 'script.sh'), join(shown, 'environment.sh')]) chmodSync(path, 0o755)
  return { private: closed, shown }
}

/** The image's PATH stays, and with it what its programs need: the host's would not find them. */
function asInside(env: Record<string, string>, workspace: string): Record<string, string> {
  return { ...Object.fromEntries(Object.entries(inside(env, workspace)).filter(([name]) => name !== 'PATH')), HOME: homeInside }
}
