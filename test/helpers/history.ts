import { execFileSync } from 'node:child_process'
import { gitTestEnvironment } from './git-repo.ts'
import { tempDir } from './temp-dir.ts'

/** A commit of a history that is written in one go. */
export interface Written {
  files: Record<string, string>
  /** Marks of its parents, in order; none for a root. */
  parents: number[]
  /** The author's and committer's mailbox. */
  person: string
  message?: string
  /** The commit that the directory `sub` is a submodule at. */
  submodule?: string
}

/** The same commit with a submodule that no server has: it cannot be checked out. */
export function withGoneSubmodule(commit: Written): Written {
  return { ...commit, files: { ...commit.files, '.gitmodules': '[submodule "sub"]\n\tpath = sub\n\turl = https://127.0.0.1:9/gone.git\n' }, submodule: '1'.repeat(40) }
}

/**
 * Writes whole histories into a fresh bare repository by one git fast-import, since a test of many commits would otherwise
 * spend its time on starting git. Files of the first parent stay.
 * @param branches the mark that each branch points to; no other commits can be fetched
 * @returns the repository's path, and the commit id of each mark (from 1, in the order of the list)
 */
export function writeHistory(commits: Written[], branches: Record<string, number>): { path: string; ids: string[] } {
  const path = tempDir()
  const git = (args: string[], input?: string) => execFileSync('git', args, { cwd: path, env: { ...gitTestEnvironment, HOME: path }, encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] })
  git(['init', '--quiet', '--bare', '--initial-branch=main'])
  const stream = [...commits.map(commandFor), ...Object.entries(branches).map(([name, mark]) => `reset refs/heads/${name}\nfrom :${mark}\n`)].join('\n')
  git(['fast-import', '--quiet', `--export-marks=${path}/marks`], `${stream}\ndone\n`)
  const marks = new Map(execFileSync('cat', [`${path}/marks`], { encoding: 'utf8' }).trim().split('\n').map((line) => [Number(line.slice(1, line.indexOf(' '))), line.slice(line.indexOf(' ') + 1)]))
  return { path, ids: commits.map((_, index) => marks.get(index + 1)!) }
}

function commandFor({ files, parents: [first, ...others], person, message = 'Change', submodule }: Written, index: number): string {
  const who = `${person.split('@')[0]} <${person}> ${1_700_000_000 + index} +0000`
  return [
    `commit refs/work/${index + 1}\nmark :${index + 1}\nauthor ${who}\ncommitter ${who}\n${data(message)}`,
    ...(first === undefined ? [] : [`from :${first}`]),
    ...others.map((other) => `merge :${other}`),
    ...Object.entries(files).map(([name, text]) => `M 100644 inline ${name}\n${data(text)}`),
    ...(submodule === undefined ? [] : [`M 160000 ${submodule} sub`]),
    '',
  ].join('\n')
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}`
}
