import type { Mirror } from './mirror.ts'
import { runGit, type GitOptions } from './run-git.ts'

/**
 * Where the mirror's HEAD leads to no branch any more, the repository's own one was renamed on its server, which tells the new
 * one. What a new branch or a tag is compared with, and which submodules strangers may use, is asked of HEAD.
 */
export async function followHead(mirror: Mirror, git: GitOptions): Promise<void> {
  if ((await mirror.resolve('HEAD')) !== undefined) return
  const told = await runGit(['ls-remote', '--symref', '--', mirror.url, 'HEAD'], { ...git, doing: `asking ${mirror.url} for its own branch` })
  const branch = /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(told)?.[1]
  if (branch !== undefined) await mirror.git(['symbolic-ref', 'HEAD', branch], { doing: `making ${branch} the own branch of ${mirror.directory}` })
}
