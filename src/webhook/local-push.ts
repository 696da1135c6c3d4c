import { basename } from 'node:path'
import { gitWorld, runGit } from '../git/run-git.ts'

/** What GitHub would send if the branch of a local repository had just been pushed, as far as Quern reads it. */
export type LocalPush = Awaited<ReturnType<typeof describeLocalPush>>

/**
 * Reads the checked-out branch of the repository around a directory. It is cloned from where it lies.
 * @throws {GitError} where there is no repository, no commit, or no branch is checked out
 */
export async function describeLocalPush(directory: string, environment: Record<string, string | undefined>) {
  const git = (doing: string, ...args: string[]) => runGit(args, { doing: `${doing} of ${directory}`, cwd: directory, env: gitWorld(environment) })
  const top = (await git('finding the repository', 'rev-parse', '--show-toplevel')).trimEnd()
  const ref = (await git('reading the checked-out branch', 'symbolic-ref', 'HEAD')).trimEnd()
  const format = ['%H', '%P', '%an', '%ae', '%cn', '%ce', '%B'].join('%x00')
  const [id, parents, authorName, authorEmail, committerName, committerEmail, message] = (await git('reading the newest commit', 'log', '-1', `--format=${format}`)).split('\0') as [string, string, string, string, string, string, string]
  const origin = (await git('reading the remote', 'config', '--default', '', '--get', 'remote.origin.url')).trimEnd()
  const committer = { name: committerName, email: committerEmail }
  return {
    ref,
    before: parents.split(' ')[0] || '0'.repeat(id.length),
    after: id,
    deleted: false,
    repository: { ...namesOf(origin, top), clone_url: top },
    head_commit: { id, message: message.trimEnd(), author: { name: authorName, email: authorEmail }, committer },
    pusher: committer,
  }
}

/** The names under which the forge knows the repository, or its directory's name where it has no remote. */
export function namesOf(origin: string, top: string): { name: string; full_name?: string } {
  const match = /^(?:[a-z+]+:\/\/[^/]+\/|[^/@\s]+@[^/:\s]+:)([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(origin)
  if (match) return { name: match[2]!, full_name: `${match[1]}/${match[2]}` }
  return { name: basename(top).replace(/\.git$/, '').replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^-+/, '') || 'repository' }
}
