import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { type GitError, longestWords } from './git-error.ts'

/** Written while git changes a mirror: where a later fetch finds it, its writer died, and it mends what that left. */
export const marker = 'quern-fetching'

/** Leaves the marker where this process dies, not where git fails. Git removes its lock files then, but not the objects that it had half of. */
export async function marked(path: string, work: () => Promise<void>): Promise<void> {
  writeFileSync(join(path, marker), '')
  try {
    await work()
  } catch (error) {
    removeHalves(path)
    throw error
  } finally {
    rmSync(join(path, marker), { force: true })
  }
}

/** What cannot be removed must not hide why git failed. */
function removeHalves(path: string): void {
  try {
    removeWithin(join(path, 'objects'), /(?:^|\/)tmp_[^/]*$/)
  } catch {}
}

/** Removes what is named so below a directory. Mails that are applied meanwhile may miss an object by it: then they are tried again. */
export function removeWithin(directory: string, names: RegExp): void {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (names.test(name)) rmSync(join(directory, name), { force: true, recursive: true })
  }
}

/**
 * What git says of a repository that has lost content, as by a power cut. Servers, askpass and names in mails and commits can say the same,
 * so this is a reason to look, not to believe it. That data does not inflate it says of a mangled binary patch, too; of an object it says more.
 */
const torn = /object .*is corrupt|bad object|object file .* is empty|not a valid object|unable to (?:read|unpack)|missing (?:blob|tree|commit)|not a git repository|bad (?:numeric )?config/i

export function saysTorn({ words }: GitError): boolean {
  return torn.test(words)
}

/** Whether all that a check found are commits, trees and tags that break rules of git, as many an old history does: a new clone would have them, too. */
export function saysUnruly({ words }: GitError): boolean {
  // Of longer words the beginning is not here.
  return words.length < longestWords && words.split('; ').every((line) => /^(?:error|warning) in (?:commit|tree|blob|tag) [0-9a-f]+: /.test(line))
}

/** Has the next fetch check the whole mirror, and clone it anew where content is lost. */
export function suspect(path: string): void {
  writeFileSync(join(path, marker), suspected)
}

export function isSuspected(path: string): boolean {
  return readIfThere(join(path, marker)) === suspected
}

const suspected = 'torn\n'
