import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import { orMissing } from '../disk/read.ts'
import { marked } from './mark-mirror.ts'
import { runGit } from './run-git.ts'

/** The refs of one mirror below a prefix. */
export interface ListedRefs {
  /** The bare repository. */
  mirror: string
  refs: string[]
}

/** Finds the refs below a prefix, like `refs/quern/`, in all mirrors of a directory. `env` is what `gitWorld` picked. */
export async function listRefs(directory: string, prefix: string, env: Record<string, string>): Promise<ListedRefs[]> {
  // A mirror's name ends in a hash of its URL; a lock or half a clone is named otherwise.
  const mirrors = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => /~[0-9a-f]{16}$/.test(name)).map((name) => join(directory, name))
  const listed: ListedRefs[] = []
  for (const mirror of mirrors) {
    const names = await runGit(['for-each-ref', '--format=%(refname)', prefix], { cwd: mirror, env: worldOf(mirror, env), doing: `listing ${prefix} of ${mirror}` })
    const refs = names.split('\n').filter((name) => name !== '')
    if (refs.length > 0) listed.push({ mirror, refs })
  }
  return listed
}

/** Removes refs; what only they lead to is left to git's own housekeeping. A mirror that somebody works with is left for the next time. */
export async function removeRefs({ mirror, refs }: ListedRefs, env: Record<string, string>): Promise<void> {
  const lock = refs.length === 0 ? undefined : takeLock(`${mirror}.lock`)
  if (lock === undefined) return
  try {
    await marked(mirror, async () => void (await runGit(['update-ref', '--stdin'], { cwd: mirror, env: worldOf(mirror, env), doing: `removing refs from ${mirror}`, input: refs.map((ref) => `delete ${ref}\n`).join('') })))
  } finally {
    lock.release()
  }
}

/** With the settings that mirrors are made with: whoever prunes may be another user than the builder. */
function worldOf(mirror: string, env: Record<string, string>): Record<string, string> {
  return { ...env, HOME: dirname(mirror), GIT_CONFIG_GLOBAL: join(dirname(mirror), 'gitconfig') }
}
