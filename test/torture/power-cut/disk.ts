import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import type { Call } from './trace.ts'

interface File {
  kind: 'file'
  mode: number
  data: Buffer
  /** What is on the disk: as it was at the beginning of the last flush that has ended. */
  flushed: Buffer
  /** Where the next write of a descriptor goes; at the end where it appends. */
  at: Map<number, number>
}

interface Directory {
  kind: 'directory'
  mode: number
  entries: Map<string, Thing>
  /** The names that are on the disk, and what was done to the names since. */
  flushed: Map<string, Thing>
  pending: Change[]
}

interface Link {
  kind: 'link'
  to: string
}

type Thing = File | Directory | Link

/** A name that came, or went. A rename is of two directories: its old name never goes without the new one. */
interface Change {
  name: string
  thing: Thing | undefined
  with?: { directory: Directory; change: Change }
}

/** What a power cut leaves of a directory and a file: what was flushed, at least. */
export interface Cut {
  /** How many of the changes that were not flushed are there all the same. */
  names(pending: number): number
  data(flushed: Buffer, written: Buffer): Buffer
}

export interface Disk {
  /** Whether the call changed what a cut may leave. */
  apply(call: Call): boolean
  /** What a cut at this moment leaves, as text that is the same for what is the same; and its way to a real directory. */
  cut(how: Cut): { fingerprint: string; restore: (directory: string) => void }
}

/**
 * A directory tree on a disk that may lose power. It promises what POSIX does: that a file's content is there once the file
 * was flushed, a name once its directory was, and no more.
 */
export function openDisk(root: string): Disk {
  const top = read(root)
  const flushes = new Map<string, { file: File; data: Buffer } | { directory: Directory; last: Change | undefined }>()

  return {
    apply(call) {
      const path = relative(root, call.path)
      if (path.startsWith('..')) return false
      switch (call.does) {
        case 'create': return create(path, call)
        case 'write': return write(fileAt(path), call.text, call.descriptor, call.at)
        case 'copy': return copy(path, relative(root, call.from), call.length)
        case 'seek': return seek(fileAt(path), call)
        case 'cut': return cutTo(fileAt(path), call.length)
        case 'mode': return changeMode(find(path), call.mode)
        case 'rename': return rename(relative(root, call.from), path)
        case 'link': return set(path, find(relative(root, call.from)))
        case 'remove': return set(path, undefined)
        case 'make': return set(path, { kind: 'directory', mode: call.mode & ~0o022, entries: new Map(), flushed: new Map(), pending: [] })
        case 'point': return set(path, { kind: 'link', to: call.to })
        case 'sync begins': return beginFlush(call.key, path)
        case 'sync ends': return endFlush(call.key)
      }
    },
    cut(how) {
      const left = leftOf(top, how)
      return { fingerprint: print(left), restore: (directory: string) => restore(left, directory, new Map()) }
    },
  }

  function find(path: string): Thing | undefined {
    return path.split('/').filter((name) => name !== '' && name !== '.').reduce<Thing | undefined>((thing, name) => (thing?.kind === 'directory' ? thing.entries.get(name) : undefined), top)
  }

  function fileAt(path: string): File | undefined {
    const thing = find(path)
    return thing?.kind === 'file' ? thing : undefined
  }

  function set(path: string, thing: Thing | undefined): boolean {
    const directory = find(dirname(path))
    return directory?.kind === 'directory' && change(directory, { name: basename(path), thing })
  }

  function rename(from: string, to: string): boolean {
    const [source, target, thing] = [find(dirname(from)), find(dirname(to)), find(from)]
    if (source?.kind !== 'directory' || target?.kind !== 'directory' || thing === undefined) return false
    const arrival = { name: basename(to), thing }
    change(target, arrival)
    return change(source, { name: basename(from), thing: undefined, with: { directory: target, change: arrival } })
  }

  function create(path: string, { truncates, appends, mode, descriptor }: Call & { does: 'create' }): boolean {
    const known = find(path)
    const file: Thing = known ?? { kind: 'file', mode: mode & ~0o022, data: Buffer.alloc(0), flushed: Buffer.alloc(0), at: new Map() }
    if (file.kind !== 'file') return false
    if (truncates) file.data = Buffer.alloc(0)
    if (appends) file.at.delete(descriptor)
    else file.at.set(descriptor, 0)
    return known === undefined && set(path, file)
  }

  function copy(path: string, from: string, length: number): boolean {
    const source = fileAt(from)
    return source !== undefined && write(fileAt(path), source.data.subarray(0, length), -1, undefined)
  }

  function beginFlush(key: string, path: string): boolean {
    const thing = find(path)
    flushes.delete(key)
    if (thing?.kind === 'file') flushes.set(key, { file: thing, data: thing.data })
    if (thing?.kind === 'directory') flushes.set(key, { directory: thing, last: thing.pending.at(-1) })
    return false
  }

  function endFlush(key: string): boolean {
    const flush = flushes.get(key)
    if (flush === undefined) return false
    if ('file' in flush) flush.file.flushed = flush.data
    else if (flush.last !== undefined) settle(flush.directory, flush.last)
    return true
  }
}

function change(directory: Directory, done: Change): boolean {
  put(directory.entries, done)
  directory.pending.push(done)
  return true
}

function put(names: Map<string, Thing>, { name, thing }: Change): void {
  if (thing === undefined) names.delete(name)
  else names.set(name, thing)
}

/** It is on the disk now, with all that was done before it in this directory. */
function settle(directory: Directory, done: Change): void {
  const index = directory.pending.indexOf(done)
  for (const one of directory.pending.splice(0, index + 1)) {
    put(directory.flushed, one)
    if (one.with !== undefined) settle(one.with.directory, one.with.change)
  }
}

function write(file: File | undefined, text: Buffer, descriptor: number, at: number | undefined): boolean {
  if (file === undefined) return false
  const start = at ?? file.at.get(descriptor) ?? file.data.length
  const gap = Buffer.alloc(Math.max(0, start - file.data.length))
  file.data = Buffer.concat([file.data.subarray(0, start), gap, text, file.data.subarray(start + text.length)])
  if (at === undefined && file.at.has(descriptor)) file.at.set(descriptor, start + text.length)
  return false
}

function seek(file: File | undefined, { descriptor, at }: Call & { does: 'seek' }): boolean {
  file?.at.set(descriptor, at)
  return false
}

function cutTo(file: File | undefined, length: number): boolean {
  if (file !== undefined) file.data = Buffer.concat([file.data.subarray(0, length), Buffer.alloc(Math.max(0, length - file.data.length))])
  return false
}

function changeMode(thing: Thing | undefined, mode: number): boolean {
  if (thing !== undefined && thing.kind !== 'link') thing.mode = mode
  return false
}

/** A tree as it is left, which nothing changes any more. One file with two names is one thing in it. */
type Left = { kind: 'file'; mode: number; data: Buffer } | { kind: 'directory'; mode: number; entries: Map<string, Left> } | Link

function leftOf(top: Thing, how: Cut): Left {
  const files = new Map<File, Left>()
  // How many changes of each directory are there is chosen first, for all of them, so that a rename whose old name is gone has its new one.
  const kept = new Map<Directory, number>()
  choose(top)
  return leave(top)

  function choose(thing: Thing): void {
    if (thing.kind !== 'directory' || kept.has(thing)) return
    kept.set(thing, 0)
    keep(thing, how.names(thing.pending.length))
    for (const below of thing.flushed.values()) choose(below)
    for (const done of thing.pending) if (done.thing !== undefined) choose(done.thing)
  }

  function keep(directory: Directory, count: number): void {
    if (!kept.has(directory)) choose(directory)
    const before = kept.get(directory)!
    if (count <= before) return
    kept.set(directory, count)
    for (const done of directory.pending.slice(before, count)) if (done.with !== undefined) keep(done.with.directory, done.with.directory.pending.indexOf(done.with.change) + 1)
  }

  function namesIn(directory: Directory): Map<string, Thing> {
    const names = new Map(directory.flushed)
    for (const done of directory.pending.slice(0, kept.get(directory))) put(names, done)
    return names
  }

  function leave(thing: Thing): Left {
    if (thing.kind === 'link') return thing
    if (thing.kind === 'directory') return { kind: 'directory', mode: thing.mode, entries: new Map([...namesIn(thing)].map(([name, below]) => [name, leave(below)])) }
    const left = files.get(thing) ?? { kind: 'file' as const, mode: thing.mode, data: how.data(thing.flushed, thing.data) }
    files.set(thing, left)
    return left
  }
}

function print(left: Left): string {
  const numbers = new Map<Left, number>()
  const lines: string[] = []
  const walk = (thing: Left, path: string): void => {
    if (!numbers.has(thing)) numbers.set(thing, numbers.size)
    if (thing.kind === 'directory') for (const [name, below] of [...thing.entries].toSorted(([one], [other]) => (one < other ? -1 : 1))) walk(below, `${path}/${name}`)
    lines.push(thing.kind === 'directory' ? path : `${path} ${thing.kind === 'link' ? thing.to : `${numbers.get(thing)} ${thing.data.toString('latin1')}`}`)
  }
  walk(left, '')
  return lines.join('\n')
}

function restore(thing: Left, path: string, made: Map<Left, string>): void {
  const known = made.get(thing)
  if (thing.kind === 'link') symlinkSync(thing.to, path)
  else if (thing.kind === 'directory') {
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { recursive: true })
    for (const [name, below] of thing.entries) restore(below, join(path, name), made)
    chmodSync(path, thing.mode)
  } else if (known !== undefined) linkSync(known, path)
  else {
    writeFileSync(path, thing.data)
    chmodSync(path, thing.mode)
    made.set(thing, path)
  }
}

/** What is there before the first call is on the disk. */
function read(path: string, known = new Map<number, File>()): Thing {
  const stats = lstatSync(path)
  if (stats.isSymbolicLink()) return { kind: 'link', to: readlinkSync(path) }
  if (stats.isDirectory()) {
    const entries = new Map(readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isFile() || entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => [name, read(join(path, name), known)]))
    return { kind: 'directory', mode: stats.mode & 0o7777, entries, flushed: new Map(entries), pending: [] }
  }
  const data = known.get(stats.ino)?.data ?? readFileSync(path)
  const file = known.get(stats.ino) ?? { kind: 'file', mode: stats.mode & 0o7777, data, flushed: data, at: new Map<number, number>() }
  known.set(stats.ino, file)
  return file
}
