import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { openMirror, type Mirror } from './mirror.ts'
import { askGit, runGit } from './run-git.ts'

/** A person's work tree and where its repository keeps what it needs. */
export interface WorkTree {
  /** The directory at its top. */
  top: string
  /** Its own git directory; of a linked work tree not that of the repository. */
  gitDirectory: string
  /** The checked-out commit; undefined before the first one. */
  head: string | undefined
  /** `refs/heads/<branch>`; undefined where no branch is checked out. */
  ref: string | undefined
  /** The commit that the branch has on the server, where it is known. */
  upstream: string | undefined
  /** The address of the remote `origin`; empty where there is none. */
  origin: string
}

/** The work tree as it stands, as a commit. */
export interface Snapshot {
  mirror: Mirror
  commit: string
}

/** Reads the work tree around a directory. @throws {GitError} where there is none */
export async function readWorkTree(directory: string, env: Record<string, string>): Promise<WorkTree> {
  const options = { doing: `reading the repository of ${directory}`, cwd: directory, env }
  const answer = async (...args: string[]) => (await askGit(args, options))?.trimEnd() || undefined
  const top = (await runGit(['rev-parse', '--show-toplevel'], options)).trimEnd()
  const gitDirectory = (await runGit(['rev-parse', '--absolute-git-dir'], options)).trimEnd()
  const [head, ref, upstream, origin = ''] = await Promise.all([
    answer('rev-parse', '--verify', '--quiet', 'HEAD^{commit}'),
    answer('symbolic-ref', '--quiet', 'HEAD'),
    answer('rev-parse', '--verify', '--quiet', '@{upstream}^{commit}'),
    answer('config', '--get', 'remote.origin.url'),
  ])
  return { top, gitDirectory, head, ref, upstream, origin }
}

/**
 * Makes a commit of the work tree as it stands: what is changed and what is new, without what git ignores. Where nothing
 * is changed it is HEAD itself. It lies in a bare repository of its own in `directory`, which borrows the history:
 * the person's repository, its index and its branches are only read.
 */
export async function snapshotWorkTree(tree: WorkTree, directory: string, env: Record<string, string>): Promise<Snapshot> {
  const objects = await pathIn(tree, 'objects', env)
  await makeBare(tree, { directory, objects, env })
  for (const [name, file] of [['index', 'index'], ['info/exclude', 'info/exclude']] as const) copyIfThere(await pathIn(tree, name, env), join(directory, file))
  const git = (args: string[], more: Record<string, string> = {}) => {
    const world = { ...env, GIT_DIR: directory, GIT_WORK_TREE: tree.top, GIT_INDEX_FILE: join(directory, 'index'), ...more }
    return runGit(args, { doing: `taking ${tree.top} as it stands`, cwd: tree.top, env: world }).then((text) => text.trimEnd())
  }
  await git(['add', '--all'])
  const commit = await commitOf(tree, await git(['write-tree']), git)
  await git(['update-ref', tree.ref ?? 'refs/heads/detached', commit])
  return { commit, mirror: openMirror({ url: tree.top, directory, env, protocols: ['file'] }) }
}

async function commitOf({ head }: WorkTree, content: string, git: (args: string[], more?: Record<string, string>) => Promise<string>): Promise<string> {
  if (head === undefined) return git(['commit-tree', content, '-m', 'The work tree as it stands'], personOf('Nobody', 'nobody@localhost'))
  const [committed, name, email, message] = (await git(['log', '-1', '--no-notes', '--encoding=UTF-8', '--format=%T%x00%cn%x00%ce%x00%B', head])).split('\0') as [string, string, string, string]
  if (committed === content) return head
  return git(['commit-tree', content, '-p', head, '-m', message.trimEnd() || 'The work tree as it stands'], personOf(name, email))
}

function personOf(name: string, email: string): Record<string, string> {
  return { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email, GIT_COMMITTER_NAME: name, GIT_COMMITTER_EMAIL: email }
}

/** Remade where a snapshot of another state of the repository would not do, like one that was moved. */
async function makeBare(tree: WorkTree, { directory, objects, env }: { directory: string; objects: string; env: Record<string, string> }): Promise<void> {
  const alternates = join(directory, 'objects/info/alternates')
  if (existsSync(alternates) && readFileSync(alternates, 'utf8') === `${objects}\n`) return
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(dirname(directory), { recursive: true })
  const format = (await runGit(['rev-parse', '--show-object-format'], { doing: `reading ${tree.top}`, cwd: tree.top, env })).trimEnd()
  await runGit(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '--', directory], { doing: `making ${directory}`, cwd: tree.top, env })
  mkdirSync(join(directory, 'info'), { recursive: true })
  writeFileSync(alternates, `${objects}\n`)
}

/** Where the repository keeps that; a linked work tree has its index in one place and its objects in another. */
async function pathIn({ top }: WorkTree, name: string, env: Record<string, string>): Promise<string> {
  const path = (await runGit(['rev-parse', '--git-path', name], { doing: `finding ${name} of ${top}`, cwd: top, env })).trimEnd()
  return resolve(top, path)
}

function copyIfThere(from: string, to: string): void {
  rmSync(to, { force: true })
  if (existsSync(from)) copyFileSync(from, to)
}
