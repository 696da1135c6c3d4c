import * as v from 'valibot'
import type { PlannedRun } from '../model/plan.ts'
import { isTrusted, type Request } from '../model/request.ts'
import { fitsOneOf } from './fits-one-of.ts'
import type { JobDefinition } from './job-definition.ts'
import { PlanError } from './plan-error.ts'

const globs = v.array(v.pipe(v.string(), v.minLength(1, 'expected a glob')))

/** What quern.yaml grants to jobs, under `grants`. Nothing of it is there without a word. */
export const planGrants = {
  /** Directories of this host that jobs may see. */
  mounts: v.optional(
    v.array(
      v.strictObject({
        from: v.pipe(v.string(), v.regex(/^\/[^:,]*$/, 'expected an absolute path without ":" and ","')),
        /** Names of jobs, as globs. */
        jobs: v.optional(globs, ['**']),
        writable: v.optional(v.boolean(), false),
      }),
    ),
    [],
  ),
  /** Names of jobs, as globs, that may drive podman or docker. */
  engine: v.optional(globs, []),
  /** Repositories (owner/name, as globs) whose untrusted requests get the network. */
  untrusted_network: v.optional(globs, []),
  /** Images (as globs) that pipelines of untrusted requests may run in. */
  untrusted_images: v.optional(globs, []),
}
export type Grants = v.InferOutput<v.ObjectSchema<typeof planGrants, undefined>>

/** Nothing is granted. */
export const noGrants: Grants = { mounts: [], engine: [], untrusted_network: [], untrusted_images: [] }

/** Whether the runs of a request may have the network, as far as this server is asked. */
export function mayUseNetwork(request: Request, grants: Grants): boolean {
  return isTrusted(request) || fitsOneOf(request.full_name ?? request.repository, grants.untrusted_network)
}

/** @throws {PlanError} where an untrusted request asks for an image that quern.yaml does not list */
export function requireImageGrant(image: string, request: Request, grants: Grants): void {
  if (isTrusted(request) || fitsOneOf(image, grants.untrusted_images)) return
  throw new PlanError(`the untrusted request asks for the image ${image}, which quern.yaml does not list: add it under grants: untrusted_images:`)
}

/** The job's mounts, read-only for untrusted requests. */
export function mountsOf(job: JobDefinition, request: Request): NonNullable<PlannedRun['mounts']> {
  return job.mounts.map(({ from, to = from, readonly }) => ({ from, to, readonly: readonly || !isTrusted(request) }))
}

/** @throws {PlanError} where the job asks for a directory and quern.yaml does not grant it */
export function requireMountGrants(job: JobDefinition, grants: Grants): void {
  for (const { from, readonly } of job.mounts) {
    const grant = grants.mounts.find((one) => one.from === from && fitsOneOf(job.name, one.jobs))
    if (grant === undefined) throw new PlanError(`the job ${job.name} asks for the directory ${from}, which quern.yaml does not grant it: add it under grants: mounts:`)
    if (!readonly && !grant.writable) throw new PlanError(`the job ${job.name} asks to write to ${from}, which quern.yaml grants for reading only: say "readonly: true" in ${job.file}, or "writable: true" in quern.yaml`)
  }
}

/** @throws {PlanError} where the job asks for the container engine and quern.yaml does not grant it */
export function requireEngineGrant(job: JobDefinition, grants: Grants): void {
  if (!job.engine || fitsOneOf(job.name, grants.engine)) return
  throw new PlanError(`the job ${job.name} asks to drive podman or docker, which quern.yaml does not grant it: add its name under grants: engine:`)
}
