import { constants, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import type { Mirror } from './mirror.ts'

/**
 * Writes the `.git` of a fresh work tree by hand: a few files, where `git clone` starts six processes.
 * Returns the directory of objects that it borrows from, or undefined where they were copied.
 */
export async function writeRepository({ mirror, commit, directory, objects }: { mirror: Mirror; commit: string; directory: string; objects: 'shared' | 'copied' }): Promise<string | undefined> {
  const git = join(directory, '.git')
  const source = join(mirror.directory, 'objects')
  for (const name of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags', 'info']) mkdirSync(join(git, name), { recursive: true })
  writeFileSync(join(git, 'HEAD'), `${commit}\n`)
  writeFileSync(join(git, 'config'), configText(mirror.url, commit))
  writeFileSync(join(git, 'packed-refs'), await mirror.once('refs', () => packedRefs(mirror)))
  if (objects === 'copied') return copyObjects(source, join(git, 'objects'))
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

/** Never hard links: a job could write through them. Where the file system shares blocks (btrfs, xfs), the copy is free. */
function copyObjects(from: string, to: string): undefined {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name)
    const target = join(to, source.slice(from.length))
    if (!entry.isFile() || /^tmp_|\.lock$/.test(entry.name)) continue
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(source, target, constants.COPYFILE_FICLONE)
  }
}
