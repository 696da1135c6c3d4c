import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { homeOf } from './execution-id.ts'
import type { Limits } from './executor.ts'

/** A control group that bounds a whole run. The number of processes needs none: prlimit counts it for a run's own user. */
export interface LimitGroup {
  /** `cgroup.procs` files that the first process writes itself into before it becomes the run. */
  entrances: string[]
  /** Which limits it really holds; the others need another way, or a word. */
  holds: Set<Resource>
  /** Whether the kernel killed something in it for memory. */
  ranOutOfMemory(): boolean
  remove(): void
}

export type Resource = 'memory' | 'cpus'

interface Controller {
  resource: Resource
  v1: string
  v2: string
}

const resources: Controller[] = [
  { resource: 'memory', v1: 'memory', v2: 'memory' },
  { resource: 'cpus', v1: 'cpu', v2: 'cpu' },
]

/**
 * Makes groups for the limits given, below the builder's own ones where this user may: version 1, version 2 and the
 * hybrid of both, each controller where it is mounted. Undefined where there is nothing to limit or nowhere to do it.
 */
export function makeLimitGroup(id: string, limits: Limits): LimitGroup | undefined {
  const wanted = resources.filter(({ resource }) => limits[resource] !== undefined)
  const made = new Map<Resource, string>()
  for (const { sharing, parents } of placesFor(wanted)) {
    const path = makeIn(parents, groupName(id))
    if (path === undefined) continue
    for (const { resource } of sharing) if (setLimit(path, resource, limits[resource]!)) made.set(resource, path)
    if (![...made.values()].includes(path)) removeGroup(path)
  }
  if (made.size === 0) return undefined
  const paths = [...new Set(made.values())]
  return {
    entrances: paths.map((path) => join(path, 'cgroup.procs')),
    holds: new Set(made.keys()),
    ranOutOfMemory: () => countedKills(made.get('memory')) > 0,
    remove: () => paths.forEach(removeGroup),
  }
}

/**
 * Removes the groups that a dead builder of this home left; those with a living process stay. They may be anywhere: it need
 * not have been in the group that this process is in, started by cron, by the receiver or by hand as each of them is.
 */
export function removeLeftGroups(homeId: string): void {
  const kinds = [...resources.map(({ v1 }) => ofVersion1(v1)), ofVersion2]
  const tops = new Set(kinds.map(mountOf).filter((top) => top !== undefined))
  for (const path of [...tops].flatMap(groupsBelow)) if (basename(path).startsWith(homePrefix(homeId))) removeGroup(path)
}

/** What goes meanwhile, or is closed to this user, holds none of ours. */
function groupsBelow(top: string): string[] {
  const found = [top]
  for (const path of found) {
    try {
      for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) found.push(join(path, entry.name))
    } catch {}
  }
  return found.slice(1)
}

/** `quern-<home>-<run>`, both hashed: ids hold slashes. */
function groupName(id: string): string {
  return `${homePrefix(homeOf(id))}${hash(id)}`
}

function homePrefix(homeId: string): string {
  return `quern-${hash(homeId)}-`
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

interface Place {
  /** The controllers that one group holds. */
  sharing: Controller[]
  /** Directories in which it may be made, the best first. */
  parents: string[]
}

/**
 * In version 1 each controller has a group to itself, below the process's own one. In version 2 a process is in one group
 * only, which holds them all. There a group that has processes cannot hand on controllers, so it is below an ancestor that
 * does: the nearest one that hands on all of them, for not every ancestor does (systemd's `system.slice` hands on `memory`,
 * `cpu` only where a unit asks for it).
 */
function placesFor(wanted: Controller[]): Place[] {
  const memberships = (orMissing(() => readFileSync('/proc/self/cgroup', 'utf8')) ?? '').trim().split('\n').map((line) => line.split(':'))
  const old = (v1: string) => memberships.find(([, controllers]) => controllers?.split(',').includes(v1))?.slice(2).join(':')
  const [first, second] = [wanted.filter(({ v1 }) => old(v1) !== undefined), wanted.filter(({ v1 }) => old(v1) === undefined)]
  const places = first.map((controller) => ({ sharing: [controller], parents: [join(mountOf(ofVersion1(controller.v1)) ?? '', old(controller.v1)!)].filter((path) => path.startsWith('/sys/')) }))
  return second.length === 0 ? places : [...places, { sharing: second, parents: parentsIn2(memberships.find(([number]) => number === '0')?.slice(2).join(':'), second) }]
}

function parentsIn2(own: string | undefined, sharing: Controller[]): string[] {
  const mount = mountOf(ofVersion2)
  if (own === undefined || mount === undefined) return []
  const handedOn = (path: string) => words(join(path, 'cgroup.subtree_control')).filter((word) => sharing.some(({ v2 }) => v2 === word)).length
  return ancestors(mount, join(mount, own)).filter((path) => handedOn(path) > 0).toSorted((one, other) => handedOn(other) - handedOn(one))
}

function ancestors(top: string, path: string): string[] {
  return path === top || !path.startsWith(top) ? [top] : [path, ...ancestors(top, dirname(path))]
}

const ofVersion1 = (controller: string) => (type: string, options: string[]) => type === 'cgroup' && options.includes(controller)
const ofVersion2 = (type: string) => type === 'cgroup2'

/** The mount point of the first file system of that kind: proc_pid_mountinfo(5). */
function mountOf(fits: (type: string, options: string[]) => boolean): string | undefined {
  for (const line of (orMissing(() => readFileSync('/proc/self/mountinfo', 'utf8')) ?? '').split('\n')) {
    const [before, after] = line.split(' - ')
    const [type, , options] = after?.split(' ') ?? []
    if (type !== undefined && fits(type, options?.split(',') ?? [])) return before!.split(' ')[4]
  }
  return undefined
}

function words(path: string): string[] {
  return (orMissing(() => readFileSync(path, 'utf8')) ?? '').trim().split(/\s+/)
}

function makeIn(parents: string[], name: string): string | undefined {
  return parents.map((parent) => join(parent, name)).find((path) => existsSync(path) || succeeds(() => mkdirSync(path)))
}

function setLimit(path: string, resource: Resource, value: number): boolean {
  if (resource === 'cpus') {
    if (write(path, 'cpu.max', `${Math.ceil(value * 100_000)} 100000`)) return true
    return write(path, 'cpu.cfs_period_us', '100000') && write(path, 'cpu.cfs_quota_us', String(Math.ceil(value * 100_000)))
  }
  if (write(path, 'memory.max', String(value))) {
    // Without these a run would go on in swap, and lose one process instead of ending.
    write(path, 'memory.swap.max', '0')
    write(path, 'memory.oom.group', '1')
    return true
  }
  const limited = write(path, 'memory.limit_in_bytes', String(value))
  if (limited) write(path, 'memory.memsw.limit_in_bytes', String(value))
  return limited
}

/** Whether the file of that name is there and takes the value. */
function write(path: string, name: string, value: string): boolean {
  return existsSync(join(path, name)) && succeeds(() => writeFileSync(join(path, name), value))
}

function countedKills(path: string | undefined): number {
  if (path === undefined) return 0
  const lines = ['memory.events', 'memory.oom_control'].flatMap((name) => (orMissing(() => readFileSync(join(path, name), 'utf8')) ?? '').split('\n'))
  return Number(lines.find((line) => line.startsWith('oom_kill '))?.split(' ')[1] ?? 0)
}

/** A group is busy for some milliseconds after its last process has gone; what stays is removed by the next repair. */
function removeGroup(path: string): void {
  for (let attempt = 0; attempt < 20 && existsSync(path); attempt += 1) {
    if (succeeds(() => rmdirSync(path))) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
  }
}

function succeeds(call: () => void): boolean {
  try {
    call()
    return true
  } catch {
    return false
  }
}
