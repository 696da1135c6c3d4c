import { join } from 'node:path'
import { CheckoutError, GitError } from './git-error.ts'
import type { Mirror } from './mirror.ts'
import { askGit, runGit } from './run-git.ts'

/**
 * The settings by which a checkout brings files from LFS, none where the commit uses no LFS. They are given to that one
 * command, the tree's own configuration has none. The server is the repository's own, whatever a `.lfsconfig` says:
 * our credentials go nowhere else. https://github.com/git-lfs/git-lfs/blob/main/docs/man/git-lfs-config.adoc
 * @param memory bytes that git may take to look, undefined for a commit of somebody trusted: it reads each .gitattributes as a
 * whole, and one of some megabytes can be made that is many gigabytes long. A file so large means nothing to git itself.
 */
export async function lfsSettings(mirror: Mirror, commit: string, memory: number | undefined): Promise<string[]> {
  const attributes = ['grep', '--quiet', '--extended-regexp', '(^|[[:space:]])filter=lfs([[:space:]]|$)', commit, '--', ':(glob)**/.gitattributes']
  if ((await askGit(attributes, { doing: `looking for LFS in ${commit}`, cwd: mirror.directory, env: mirror.env, memory })) === undefined) return []
  await expectLfs(mirror)
  return [
    'filter.lfs.process=git-lfs filter-process',
    'filter.lfs.smudge=git-lfs smudge -- %f',
    'filter.lfs.clean=git-lfs clean -- %f',
    'filter.lfs.required=true',
    `lfs.url=${lfsUrl(mirror.url)}`,
    ...storage(mirror),
    'lfs.locksverify=false',
    'lfs.concurrenttransfers=4',
    'lfs.activitytimeout=60',
  ]
}

/** The mirror keeps what was downloaded for the next run. For a path of this host, git-lfs would take it for the other side's storage too. */
function storage(mirror: Mirror): string[] {
  return mirror.protocols.includes('file') ? [] : [`lfs.storage=${join(mirror.directory, 'lfs')}`]
}

async function expectLfs(mirror: Mirror): Promise<void> {
  try {
    await runGit(['lfs', 'version'], { doing: 'looking for git-lfs', cwd: mirror.directory, env: mirror.env })
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    throw new CheckoutError(`${mirror.url} keeps files in Git LFS, and git-lfs is not installed on this host; install the package git-lfs`, { cause: error })
  }
}

/** Over ssh git-lfs asks the server where its files are: https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md */
function lfsUrl(url: string): string {
  if (url.startsWith('/')) return `file://${url}`
  if (/^https?:/.test(url)) return `${url.replace(/\/+$/, '').replace(/(?:\.git)?$/, '.git')}/info/lfs`
  return url.includes('://') ? url : `ssh://${url.replace(/:\/?/, '/')}`
}
