import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { removeAll } from '../disk/remove.ts'
import { openAmTree, type AmTree } from '../git/am.ts'
import { GitError } from '../git/git-error.ts'
import type { Mirror } from '../git/mirror.ts'
import type { Series } from '../model/request.ts'
import type { PatchworkClient } from './client.ts'
import { baseCommitIn, dependencyIn, fetchMails, holdsOnePatch, mailWithDiff, wordsOf, type Mails } from './mails.ts'
import { seriesName } from './source-name.ts'

export interface ApplyOptions {
  client: Pick<PatchworkClient, 'seriesMbox' | 'patchMbox' | 'patch' | 'cover'>
  /** Of the source's tree; it holds `tip`. */
  mirror: Mirror
  series: Series
  /** What the branch pointed to when the series was queued. */
  tip: string
  /** Paths and globs whose changes are left out, like Changelog. */
  exclude?: readonly string[]
  /** For work trees; removed again. */
  directory: string
  signal?: AbortSignal | undefined
}

/** What a patch became. */
interface AppliedPatch {
  id: number
  n: number
  commit: string
  tree: string
  /** Why there is nothing to build: the patch changes nothing. */
  empty?: string
}

export type Applied =
  | { kind: 'applied'; base: string; patches: AppliedPatch[] }
  /** `patches` are those before the one that does not apply; they can be built. */
  | { kind: 'not-applied'; base: string; patches: AppliedPatch[]; failed: { id: number; n: number; reason: string } }

/**
 * Applies a mailed series on the commit that it names as its base, where the branch has that, or else on the tip, and
 * keeps each commit in the mirror as refs/quern/series/<series>/<n>. Equal input gives equal commits.
 * @throws {PatchworkError} where the mails cannot be had
 * @throws {GitError} where git failed through no fault of the mails
 */
export async function applySeries(options: ApplyOptions): Promise<Applied> {
  const { client, mirror, series, directory } = options
  const mails = await fetchMails(client, series, options.signal)
  const words = await wordsOf(client, series, { mails, signal: options.signal })
  const base = await chooseBase(options, baseCommitIn(words))
  try {
    const { commits, failed } = await applyAll(options, base, mails)
    const patches = await describe(mirror, base, commits)
    await keep(mirror, series, patches)
    return failed === undefined ? { kind: 'applied', base, patches } : { kind: 'not-applied', base, patches, failed: { ...failed, reason: besideDependency(failed.reason, dependencyIn(words)) } }
  } finally {
    await removeAll(directory)
  }
}

/** The sender's base only where it is part of the branch: the mirror holds other commits too, which are not for everybody. */
async function chooseBase({ mirror, tip, signal }: ApplyOptions, named: string | undefined): Promise<string> {
  if (named === undefined || named.length !== tip.length || !(await mirror.hasCommit(named))) return tip
  try {
    await mirror.git(['merge-base', '--is-ancestor', named, tip], { doing: `looking for ${named} in the branch`, signal })
    return named
  } catch (error) {
    if (error instanceof GitError && error.code === 1) return tip
    throw error
  }
}

/** What is built on another series may be fine: only the branch is there to apply it on. */
function besideDependency(reason: string, dependency: string | undefined): string {
  return dependency === undefined ? reason : `it says "Depends-on: ${dependency}", which is not applied first here; ${reason}`
}

interface Commit {
  id: number
  n: number
  commit: string
}

async function applyAll(options: ApplyOptions, base: string, mails: Mails): Promise<{ commits: Commit[]; failed?: { id: number; n: number; reason: string } }> {
  const trees = openTrees(options)
  const quick = await applyTogether(options, { trees, base, mails })
  if (quick !== undefined) return { commits: quick }
  const commits: Commit[] = []
  let tree = await trees.open(base, 'touched')
  for (const { id, n } of options.series.patches) {
    const parent = commits.at(-1)?.commit ?? base
    const result = await applyOne({ options, trees, tree, parent, id, n, mail: mails.get(id)! })
    if ('refused' in result) return { commits, failed: { id, n, reason: result.refused } }
    tree = result.tree
    commits.push({ id, n, commit: result.commit })
  }
  return { commits }
}

/**
 * All mails by one git am, which is how most series apply. Undefined where one of them is refused, or where commits and
 * patches could not be told to belong together: then each is applied by itself.
 */
async function applyTogether({ mirror, series, exclude = [], signal }: ApplyOptions, { trees, base, mails }: { trees: Trees; base: string; mails: Mails }): Promise<Commit[] | undefined> {
  const inOrder = series.patches.map(({ id }) => mails.get(id)!)
  if (!inOrder.every(holdsOnePatch)) return undefined
  const tree = await trees.open(base, 'touched')
  const result = await tree.apply(Buffer.concat(inOrder.flatMap((mail) => [mail, newline])), { doing: `applying series ${series.id} from ${series.server}`, exclude, signal })
  if ('refused' in result) return undefined
  const listed = await mirror.git(['rev-list', '--reverse', `${base}..${result.commit}`], { doing: 'listing the applied commits', signal })
  const commits = listed.split('\n').filter((line) => line !== '')
  return commits.length === inOrder.length ? series.patches.map(({ id, n }, index) => ({ id, n, commit: commits[index]! })) : undefined
}

const newline = Buffer.from('\n')

interface Trees {
  open(commit: string, files: 'touched' | 'all'): Promise<AmTree>
}

/** Trees in directories of their own: what a refused mail left behind is not mended but left. */
function openTrees({ mirror, directory, signal }: ApplyOptions): Trees {
  let opened = 0
  return {
    open(commit, files) {
      opened += 1
      return openAmTree({ mirror, commit, files, signal, directory: join(directory, String(opened)) })
    },
  }
}

interface One {
  options: ApplyOptions
  trees: Trees
  tree: AmTree
  parent: string
  id: number
  n: number
  mail: Buffer
}

/** Without the other files first, which is fast; then with all of them, as a merge needs; then with the diff that lost no bytes. */
async function applyOne({ options, trees, tree, parent, id, n, mail }: One): Promise<{ commit: string; tree: AmTree } | { refused: string }> {
  const { client, series, exclude = [], signal } = options
  const am = { doing: `applying patch ${n} of series ${series.id} from ${series.server}`, exclude, signal }
  const fast = await tree.apply(mail, am)
  if ('commit' in fast) return { commit: fast.commit, tree }
  const whole = await trees.open(parent, 'all')
  const merged = await whole.apply(mail, am)
  if ('commit' in merged) return { commit: merged.commit, tree: whole }
  const exact = await mailWithDiff(client, id, { mail, signal })
  if (exact === undefined) return merged
  const last = await trees.open(parent, 'all')
  const result = await last.apply(exact, am)
  return 'commit' in result ? { commit: result.commit, tree: last } : merged
}

async function describe(mirror: Mirror, base: string, commits: Commit[]): Promise<AppliedPatch[]> {
  if (commits.length === 0) return []
  const listed = await mirror.git(['rev-parse', ...[base, ...commits.map(({ commit }) => commit)].map((commit) => `${commit}^{tree}`)], { doing: 'reading the applied commits' })
  const trees = listed.trim().split('\n')
  return commits.map(({ id, n, commit }, index) => {
    const before = commits[index - 1]?.commit ?? base
    const empty = commit === before ? 'the patch holds no change that is not there already' : trees[index + 1] === trees[index] ? 'the patch changes nothing but excluded paths' : undefined
    return { id, n, commit, tree: trees[index + 1]!, ...(empty !== undefined && { empty }) }
  })
}

/** The refs keep the commits from being pruned until no record of the series is left. */
async function keep(mirror: Mirror, series: Series, patches: AppliedPatch[]): Promise<void> {
  // Nobody else writes these refs: a lock that is there was left by a git that was killed.
  for (const { n } of patches) rmSync(join(mirror.directory, `${seriesRef(series, n)}.lock`), { force: true })
  const input = patches.map(({ n, commit }) => `update ${seriesRef(series, n)} ${commit}\n`).join('')
  if (input !== '') await mirror.git(['update-ref', '--stdin'], { doing: `keeping the commits of series ${series.id}`, input })
}

/** Where the commit of a patch is kept in the mirror. */
export function seriesRef(series: { server: string; id: number }, n: number): string {
  return `refs/quern/series/${seriesName(series)}/${n}`
}
