import { GitError } from '../../git/git-error.ts'
import type { Mirror } from '../../git/mirror.ts'
import type { Request } from '../../model/request.ts'

/** Where a tested commit stands in its history. */
export interface Origin {
  /** Id of its tree. */
  tree: string
  /** The commit with which its failures are compared, and the commits from there to the tested one, by first parents, oldest first; undefined where it has no parent. */
  history(): Promise<{ parent: string; commits: string[] } | undefined>
}

/** Commits in which the first bad one is searched. */
const most = 10_000

/**
 * Where the commit of a request came from. Its parent is what its ref was before: of a push the old commit, of a pull
 * request its base, of a new ref where it left the repository's own branch, of a forced push where both histories part;
 * where that leads nowhere, its first parent. (Of a mailed patch, `before` is the patch before it or the base.)
 */
export function originOf(mirror: Mirror, request: Request, { tree, parents }: { tree: string; parents: string[] }): Origin {
  const { commit_id: commit } = request
  return {
    tree,
    history: async () => {
      const parent = (await startOf(mirror, request)) ?? parents[0]
      if (parent === undefined) return undefined
      const listed = await mirror.git(['rev-list', '--first-parent', '--reverse', `${parent}..${commit}`, '--'], { doing: `listing the commits from ${parent} to ${commit}` })
      const commits = listed.split('\n').filter((line) => line !== '')
      return { parent, commits: commits.length > most || commits.length === 0 ? [commit] : commits }
    },
  }
}

async function startOf(mirror: Mirror, { commit_id: commit, before, pull_request: pull }: Request): Promise<string | undefined> {
  const base = before ?? pull?.base_commit ?? (pull === undefined ? 'HEAD' : `refs/heads/${pull.base_ref.replace(/^refs\/heads\//, '')}`)
  const known = await mirror.resolve(base)
  const common = known === undefined ? undefined : await commonAncestor(mirror, known, commit)
  return common === commit ? undefined : common
}

async function commonAncestor(mirror: Mirror, one: string, other: string): Promise<string | undefined> {
  try {
    return (await mirror.git(['merge-base', one, other], { doing: `comparing ${other} with ${one}` })).trim()
  } catch (error) {
    if (error instanceof GitError && error.code === 1) return undefined
    throw error
  }
}
