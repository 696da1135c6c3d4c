import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readIfThere } from '../disk/read.ts'
import { findProgram } from './find-program.ts'
import { makeTemporary } from './temporary.ts'
import { type TreeKiller, type TreeKillSetting, works } from './tree-killer.ts'

/** Names of services for a run of the shell. */
export interface ServiceNames {
  /** Stands before the command, so that it sees the names. Undefined where that cannot be had here. */
  prefix?: string[]
  /** What cannot be had, with the remedy. */
  notes: string[]
  close(): void
}

const hostsPath = '/etc/hosts'

/** A daemon that knows the host's names, and would be asked before any file. */
const nameCache = '/run/nscd/socket'

/** Lets a run find services, which listen on this host's loopback, by their names. Where it cannot, that is told unless the host knows the names itself. */
export async function openServiceNames(names: string[], { prefixWith }: TreeKiller, setting: TreeKillSetting): Promise<ServiceNames> {
  const hosts = readIfThere(hostsPath) ?? ''
  if (prefixWith === undefined || !(await (canMount ??= works({ prefix: prefixWith([{ from: hostsPath, to: hostsPath }]) })))) return { notes: notesOn(setting, unknown(names, hosts)), close: () => {} }
  const directory = makeTemporary('hosts')
  // The names come first: the first line that has a name is taken.
  const files = { [hostsPath]: `127.0.0.1 ${names.join(' ')}\n${hosts}`, ...filesFirst('/etc/nsswitch.conf') }
  const mounts = Object.entries(files).map(([to, text]) => ({ from: writeReadable(join(directory, basename(to)), text), to }))
  const prefix = prefixWith([...mounts, ...(existsSync(nameCache) ? [{ from: '/dev/null', to: nameCache }] : [])])
  // Mounted, the files need their names no more: should the builder be killed, they do not stay.
  const unnamed = [findProgram('sh') ?? '/bin/sh', '-c', 'rm -rf "$0"; exec "$@"', directory]
  return { prefix: [...prefix, ...unnamed], notes: [], close: () => rmSync(directory, { recursive: true, force: true }) }
}

/** Found once a process by trying, where a run wants it. */
let canMount: Promise<boolean> | undefined

/** Names are looked up in files first: some systems ask another service before, and take its word that there is no such name. */
function filesFirst(path: string): Record<string, string> {
  const text = readIfThere(path) ?? ''
  const changed = text.replace(/^(\s*hosts:)(?!\s*files\b)(.*)$/m, '$1 files$2')
  return changed === text ? {} : { [path]: changed }
}

/** A run may use other accounts. */
function writeReadable(path: string, text: string): string {
  writeFileSync(path, text)
  chmodSync(path, 0o644)
  return path
}

/** Those that this text of an /etc/hosts does not find on the loopback. */
function unknown(names: string[], hosts: string): string[] {
  const known = hosts.split('\n').filter((line) => /^\s*127\./.test(line)).flatMap((line) => line.replace(/#.*/, '').trim().split(/\s+/))
  return names.filter((name) => !known.includes(name))
}

function notesOn(setting: TreeKillSetting, names: string[]): string[] {
  if (names.length === 0) return []
  const remedy = setting === 'group' ? 'leave TREE_KILL="group" out of environment.sh' : 'allow it mount and user namespaces (apt-get install util-linux mount; sysctl kernel.unprivileged_userns_clone=1)'
  const line = `put the line "127.0.0.1 ${names.join(' ')}" into ${hostsPath}`
  return [`it finds the services ${names.join(', ')} as localhost, but not by name, since it has no mounts of its own: ${process.platform === 'linux' ? `${remedy}, or ` : ''}${line}`]
}
