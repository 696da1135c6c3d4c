import { askGit, runGit, type GitOptions } from './run-git.ts'

/** A bare copy of a repository, as it was when it was fetched. */
export interface Mirror {
  /** Without credentials. */
  url: string
  /** The bare repository. */
  directory: string
  hasCommit(sha: string): Promise<boolean>
  /** The commit that a ref or an abbreviated id names here, or undefined. */
  resolve(name: string): Promise<string | undefined>
  readCommit(sha: string): Promise<Commit>
  /** Paths that differ between the commit and where it left the base: a forced push is compared with the common ancestor. */
  changedFiles(base: string, sha: string): Promise<string[]>
  /** A file of the commit as text, or undefined where there is none. */
  readFile(sha: string, path: string): Promise<string | undefined>
  /** What the call returns, asked once for all runs of a build: nothing fetched later shows. */
  once<T>(name: string, call: () => Promise<T>): Promise<T>
  /** Runs git in the bare repository. @throws {GitError} */
  git(args: string[], options: Pick<GitOptions, 'doing' | 'signal' | 'input'>): Promise<string>
  /** For git commands on trees made from this mirror: what may see it, and what it may reach. */
  env: Record<string, string>
  protocols: string[]
}

/** What a commit says of itself. Strangers' words: shown only through `readable`. */
export interface Commit {
  sha: string
  tree: string
  parents: string[]
  author: Person
  committer: Person
  message: string
}

interface Person {
  name: string
  email: string
  /** ISO 8601 with the offset that git stored. */
  date: string
}

export function openMirror({ url, directory, env, protocols }: Pick<Mirror, 'url' | 'directory' | 'env' | 'protocols'>): Mirror {
  const git: Mirror['git'] = (args, options) => runGit(args, { ...options, cwd: directory, env })
  const ask = (args: string[], doing: string) => askGit(args, { doing, cwd: directory, env })
  const answers = new Map<string, Promise<unknown>>()
  return {
    once<T>(name: string, call: () => Promise<T>): Promise<T> {
      const known = answers.get(name) ?? call()
      answers.set(name, known)
      return known as Promise<T>
    },
    url,
    directory,
    env,
    protocols,
    git,
    hasCommit: async (sha) => (await ask(['cat-file', '-e', `${sha}^{commit}`], `looking for ${sha}`)) !== undefined,
    resolve: async (name) => (await ask(['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`], `resolving ${name}`))?.trim(),
    readCommit: (sha) => readCommit(git, sha),
    changedFiles: async (base, sha) => {
      const common = await ask(['merge-base', '--end-of-options', base, sha], `comparing ${sha} with ${base}`)
      return changedFiles(git, common?.trim() ?? base, sha)
    },
    readFile: (sha, path) => readFile(git, sha, path),
  }
}

/** https://git-scm.com/docs/git-log#_pretty_formats: fields between NUL bytes, which no field can hold. */
const format = ['%H', '%T', '%P', '%an', '%ae', '%aI', '%cn', '%ce', '%cI', '%B'].join('%x00')

async function readCommit(git: Mirror['git'], sha: string): Promise<Commit> {
  const doing = `reading the commit ${sha}`
  const text = await git(['log', '-1', '--no-notes', '--no-color', '--encoding=UTF-8', `--format=${format}`, '--end-of-options', sha], { doing })
  const [id, tree, parents, an, ae, ad, cn, ce, cd, message] = text.split('\0') as [string, string, string, string, string, string, string, string, string, string]
  return {
    sha: id,
    tree,
    parents: parents.split(' ').filter((parent) => parent !== ''),
    author: { name: an, email: ae, date: ad },
    committer: { name: cn, email: ce, date: cd },
    message: message.trimEnd(),
  }
}

async function changedFiles(git: Mirror['git'], base: string, sha: string): Promise<string[]> {
  const doing = `comparing ${sha} with ${base}`
  const names = await git(['diff-tree', '-r', '-z', '--no-renames', '--no-ext-diff', '--name-only', base, sha], { doing })
  return names.split('\0').filter((name) => name !== '')
}

/** Blobs only: a directory or a submodule of that name is not a file, and a link's text is not followed. */
async function readFile(git: Mirror['git'], sha: string, path: string): Promise<string | undefined> {
  const doing = `reading ${path} of ${sha}`
  const listed = await git(['--literal-pathspecs', 'ls-tree', '-z', '--full-tree', sha, '--', path], { doing })
  const match = /^100(?:644|755) blob ([0-9a-f]+)\t/.exec(listed)
  return match ? git(['cat-file', 'blob', match[1]!], { doing }) : undefined
}
