import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import type { Mirror } from './mirror.ts'

/**
 * Writes the `.git` of a fresh work tree by hand: a few files, where `git clone` starts six processes.
 * It borrows its history from the mirror: fast, but that must be visible where git is to work in it.
 * @returns the directory of objects that it borrows from
 */
export async function writeRepository({ mirror, commit, directory }: { mirror: Mirror; commit: string; directory: string }): Promise<string> {
  const git = join(directory, '.git')
  const source = join(mirror.directory, 'objects')
  for (const name of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info']) mkdirSync(join(git, name), { recursive: true })
  writeFileSync(join(git, 'HEAD'), `${commit}\n`)
  writeFileSync(join(git, 'config'), configText(mirror.url, commit))
  writeFileSync(join(git, 'packed-refs'), await mirror.once('refs', () => packedRefs(mirror)))
  writeFileSync(join(git, 'objects/info/alternates'), `${source}\n`)
  return source
}

/** https://git-scm.com/docs/gitrepository-layout and https://git-scm.com/docs/repository-version: ids of 64 digits are SHA-256. */
function configText(url: string, commit: string): string {
  const sha256 = commit.length === 64
  const quoted = url.replace(/["\\]/g, '\\$&')
  return `[core]
\trepositoryformatversion = ${sha256 ? 1 : 0}
\tfilemode = true
\tbare = false
${sha256 ? '[extensions]\n\tobjectFormat = sha256\n' : ''}[remote "origin"]
\turl = "${quoted}"
\tfetch = +refs/heads/*:refs/remotes/origin/*
`
}

/** The mirror's branches as a clone would see them, and its tags, each tag with the commit it stands for. */
async function packedRefs(mirror: Mirror): Promise<string> {
  const format = '%(objectname) %(refname)%(if)%(*objectname)%(then)%0a^%(*objectname)%(end)'
  const refs = await mirror.git(['for-each-ref', `--format=${format}`, 'refs/heads', 'refs/tags'], { doing: `listing the refs of ${mirror.url}` })
  return `# pack-refs with: peeled fully-peeled \n${refs.replaceAll(' refs/heads/', ' refs/remotes/origin/')}`
}

/** The directories that a mirror itself borrows objects from, as a snapshot of somebody's work tree does. */
export function borrowedBy({ directory }: Mirror): string[] {
  return (readIfThere(join(directory, 'objects/info/alternates')) ?? '').split('\n').filter((path) => path.startsWith('/'))
}
