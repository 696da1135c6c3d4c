import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { isTrusted } from '../model/request.ts'
import type { Request } from '../model/request.ts'
import { PlanError } from './plan-error.ts'

export interface Chunk {
  name: string
  path: string
}

/** Always in the script, in this order. */
const always = ['checkout_repos', 'build_packages'] as const

/**
 * The chunks of a request's script, in order: `checkout_repos`, `build_packages`, and `distribute_<n>` where it may
 * distribute. `<n>` is the last section of the ref, with `master` counted as `main`; `<chunk>_<n>` wins over `<chunk>`,
 * and the first directory (the home's) over the next (the shipped one).
 * Undefined where the home has only chunks for other refs, as amp_ci's has.
 * @throws {PlanError} where a chunk is in no directory
 */
export function findChunks(request: Request, { directories, distributeRefs }: { directories: string[]; distributeRefs: string[] }): Chunk[] | undefined {
  const section = lastSection(request.ref)
  const distribute = section !== undefined && mayDistribute(request, distributeRefs) ? find(directories, `distribute_${section}`) : undefined
  if (distribute === undefined && isForOtherRefs(directories, section)) return undefined
  const chunks = always.map((name) => (section === undefined ? undefined : find(directories, `${name}_${section}`)) ?? find(directories, name) ?? missing(name, directories))
  return distribute === undefined ? chunks : [...chunks, distribute]
}

/** Whether a home has script chunks of its own: any, or, where it is the installation itself, any but the shipped ones. */
export function hasOwnChunks([home = '.', shipped]: string[]): boolean {
  const names = orMissing(() => readdirSync(home)) ?? []
  return names.some((name) => /^(?:checkout_repos|build_packages|distribute)(?:_|$)/.test(name) && (shipped !== undefined || !always.some((chunk) => chunk === name)))
}

/** Whether a request may distribute at all: sent by somebody trusted, no pull request, and its ref on the list, where there is one. */
function mayDistribute(request: Request, distributeRefs: string[]): boolean {
  if (!isTrusted(request) || request.pull_request !== undefined || request.ref.startsWith('refs/pull/')) return false
  return distributeRefs.length === 0 || distributeRefs.some((ref) => request.ref === ref || request.ref === `refs/heads/${ref}`)
}

/** The last section of a ref, where it may be part of a file's name: strangers choose it. */
function lastSection(ref: string): string | undefined {
  const section = ref.slice(ref.lastIndexOf('/') + 1)
  if (section === 'master') return 'main'
  return /^[A-Za-z0-9._-]{1,100}$/.test(section) ? section : undefined
}

/** Whether the first directory has chunks to check out or to build, but only ones named for refs, and none for this one. */
function isForOtherRefs(directories: string[], section: string | undefined): boolean {
  const own = orMissing(() => readdirSync(directories[0] ?? '.')) ?? []
  const named = own.filter((name) => always.some((chunk) => name.startsWith(`${chunk}_`)))
  if (named.length === 0 || always.some((chunk) => own.includes(chunk))) return false
  return section === undefined || !always.some((chunk) => named.includes(`${chunk}_${section}`))
}

function find(directories: string[], name: string): Chunk | undefined {
  const directory = directories.find((candidate) => lstatSync(join(candidate, name), { throwIfNoEntry: false }) !== undefined)
  return directory === undefined ? undefined : { name, path: join(directory, name) }
}

function missing(name: string, directories: string[]): never {
  throw new PlanError(`no chunk ${name}: expected a file of that name in ${directories.join(' or ')}`)
}
