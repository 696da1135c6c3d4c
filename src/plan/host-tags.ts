import { arch } from 'node:process'
import type { JobDefinition } from './job-definition.ts'
import { PlanError } from './plan-error.ts'

/** Architectures under the names that people use for them, Debian's and the kernel's. */
const spellings: Record<string, string[]> = { x64: ['amd64', 'x86_64'], arm64: ['arm64', 'aarch64'], ia32: ['i386', 'x86'], arm: ['armhf', 'arm'], ppc64: ['ppc64el', 'ppc64le'] }

/** What this host is, for `host_tag`: its architecture, and what HOST_TAGS adds. */
export function hostTags(configured: string[]): string[] {
  return [...new Set([...(spellings[arch] ?? [arch]), ...configured])]
}

/** @throws {PlanError} where this host lacks the tag that a container asks for */
export function requireHost({ image, host_tag: tag = '*' }: { image: string; host_tag?: string | undefined }, { job, tags }: { job: JobDefinition; tags: string[] }): void {
  if (tag === '*' || tags.includes(tag)) return
  throw new PlanError(
    `no host has the tag "${tag}" that the container ${image} of the job ${job.name} asks for; this one has ${tags.join(', ')}. ` +
      'Start the job with runs in other containers, or add the tag to HOST_TAGS in environment.sh',
  )
}
