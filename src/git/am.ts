import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GitError } from './git-error.ts'
import { saysTorn, suspect } from './mark-mirror.ts'
import type { Mirror } from './mirror.ts'
import { runGit, type GitOptions } from './run-git.ts'
import { writeRepository } from './write-repository.ts'

/** A tree that mails are applied to, one after the other. */
export interface AmTree {
  /** Applies one mail, an mbox of the form mboxrd, and returns the commit then at the tip, the same as before where the mail changes nothing; or git's reason. */
  apply(mail: Uint8Array, options: AmOptions): Promise<{ commit: string } | { refused: string }>
}

interface AmOptions {
  /** What is being done, for the error. */
  doing: string
  /** Paths and globs whose changes are left out. */
  exclude: readonly string[]
  signal?: AbortSignal | undefined
}

export interface AmTreeOptions {
  mirror: Mirror
  /** Where it starts. */
  commit: string
  /** Made here; the caller removes it. */
  directory: string
  /**
   * `touched`: only the files that a mail changes are written, which takes a moment even in a large repository; a merge
   * of three versions is refused then. `all`: the whole tree is written first.
   */
  files: 'touched' | 'all'
  signal?: AbortSignal | undefined
}

/** Whoever applies mails is the committer, at the author's date: equal mails on equal commits give equal commits. */
const committer = { GIT_COMMITTER_NAME: 'Quern', GIT_COMMITTER_EMAIL: 'quern@localhost' }

/** What git says where the fault is this host's, not the mail's. */
const ours = /No space left|Disk quota|Read-only file system|Permission denied|out of memory|cannot allocate|Too many open files|Input\/output error|unable to (?:write|create temporary)/i

/** Opens a tree whose new objects are written into the mirror itself, where runs check them out. Nothing of a mail runs: no hook, no filter, no external diff. */
export async function openAmTree({ mirror, commit, directory, files, signal }: AmTreeOptions): Promise<AmTree> {
  mkdirSync(directory, { recursive: true })
  await writeRepository({ mirror, commit, directory })
  const env = { ...mirror.env, ...committer, GIT_OBJECT_DIRECTORY: join(mirror.directory, 'objects') }
  const git = (args: string[], options: Pick<GitOptions, 'doing' | 'input' | 'signal'>): Promise<string> => runGit(args, { cwd: directory, env, ...options })
  const readTree = files === 'all' ? ['read-tree', '--reset', '-u', commit] : ['read-tree', commit]
  await git(readTree, { doing: `preparing a tree of ${commit}`, signal })
  return { apply }

  async function apply(mail: Uint8Array, { doing, exclude, signal: stop }: AmOptions): Promise<{ commit: string } | { refused: string }> {
    // A format-patch sent as an attachment is two mails to git, the outer one empty: hence --empty=drop.
    const args = ['am', '--quiet', '--patch-format=mboxrd', '--3way', '--keep-cr', '--empty=drop', '--committer-date-is-author-date', ...exclude.map((path) => `--exclude=${path}`)]
    try {
      await git(args, { doing, input: mail, signal: stop })
    } catch (error) {
      if (error instanceof GitError && saysTorn(error)) suspect(mirror.directory)
      if (!(error instanceof GitError) || error.code === undefined || ours.test(error.words) || saysTorn(error)) throw error
      return { refused: await reasonOf(error, stop) }
    }
    return { commit: readFileSync(join(directory, '.git/HEAD'), 'utf8').trim() }
  }

  async function reasonOf({ words }: GitError, stop: AbortSignal | undefined): Promise<string> {
    const listed = await git(['diff-index', '--cached', '--name-only', '--diff-filter=U', '-z', 'HEAD'], { doing: 'listing conflicts', signal: stop })
    const conflicts = [...new Set(listed.split('\0').filter((path) => path !== ''))]
    if (conflicts.length > 0) return `conflict in ${conflicts.join(', ')}`
    return words.replace(/error: /g, '') || 'git am refused it without a reason'
  }
}
