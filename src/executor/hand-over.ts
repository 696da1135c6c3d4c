import { lchownSync, lstatSync, readdirSync, type Stats } from 'node:fs'
import { runProgram } from '../disk/program.ts'

/** User ids far above those of accounts and of the ranges given to containers. */
const firstStranger = 2_000_000_000

const strangers = new Set<number>()

/**
 * Does work with a user id that owns nothing on this host, and that no other run of this process has meanwhile; the
 * directory is handed to it, and afterwards taken back for root. For a builder that runs as root.
 */
export async function asStranger<T>(directory: string, work: (uid: number) => Promise<T>): Promise<T> {
  let uid = firstStranger
  while (strangers.has(uid)) uid += 1
  strangers.add(uid)
  try {
    await handOver(directory, uid, uid)
    const result = await work(uid)
    await takeBack(directory, 0, 0)
    return result
  } finally {
    strangers.delete(uid)
  }
}

/**
 * Gives the tree to a user and group. Links are changed themselves, never followed. Called only while nothing runs that
 * could write there, so a path cannot change meaning between look and change.
 * A file with several names is left alone: one of them may be outside, as with a clone that shares its objects with a
 * mirror, and to own it would be to own the other too.
 * @throws where find or chown fails
 */
async function handOver(directory: string, uid: number, gid: number): Promise<void> {
  if (changedHere(directory, (path, entry) => (entry.isFile() && entry.nlink > 1 ? undefined : lchownSync(path, uid, gid)))) return
  await changeBy('find', directory, [directory, '-xdev', '!', '(', '-type', 'f', '-links', '+1', ')', '-exec', 'chown', '--no-dereference', `${uid}:${gid}`, '{}', '+'])
}

/** Takes the tree back, files with several names included: inside, a file can only be linked from where the run may write. */
async function takeBack(directory: string, uid: number, gid: number): Promise<void> {
  if (changedHere(directory, (path) => lchownSync(path, uid, gid))) return
  await changeBy('chown', directory, ['--recursive', '--no-dereference', '-P', `${uid}:${gid}`, directory])
}

/** Entries of a tree that are changed faster here than by starting programs. */
const few = 300

/** Bytes of a path that can be named, below the 4096 of Linux by a name. */
const longest = 3840

/** Calls `change` for the tree and all in it, unless it has many entries. @returns whether all are done */
function changedHere(directory: string, change: (path: Buffer, entry: Stats) => void): boolean {
  // Bytes, since a name need not be text.
  const paths = [Buffer.from(directory)]
  for (let next = 0; next < paths.length; next += 1) {
    if (paths.length > few) return false
    const path = paths[next]!
    // Programs go down step by step, and so also where the whole path would be too long to be named.
    if (path.length > longest) return false
    const entry = lstatSync(path)
    change(path, entry)
    if (entry.isDirectory()) paths.push(...readdirSync(path, { encoding: 'buffer' }).map((name) => Buffer.concat([path, Buffer.from('/'), name])))
  }
  return true
}

async function changeBy(program: string, directory: string, options: string[]): Promise<void> {
  try {
    await runProgram(program, options)
  } catch (error) {
    throw new Error(`changing the owner of ${directory} with ${program}: ${(error as Error).message}`, { cause: error })
  }
}
