import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Written while git changes a mirror: where a later fetch finds it, its writer died, and it mends what that left. */
export const marker = 'quern-fetching'

/** Leaves the marker where this process dies, not where git fails: git has tidied up then. */
export async function marked(path: string, work: () => Promise<void>): Promise<void> {
  writeFileSync(join(path, marker), '')
  try {
    await work()
  } finally {
    rmSync(join(path, marker), { force: true })
  }
}
