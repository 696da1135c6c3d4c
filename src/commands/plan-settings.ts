import { join } from 'node:path'
import { installation } from '../config/home.ts'
import type { Request } from '../model/request.ts'
import { choosePipeline, type Choice, type PlanSettings } from '../plan/choose.ts'
import { chunkDirectories } from '../plan/chunks.ts'
import { hasOwnChunks } from '../plan/find-chunks.ts'
import { hostTags } from '../plan/host-tags.ts'
import type { QuernConfig } from './open-config.ts'

/** Where the job definitions of a home are, usually a git clone. */
export function jobDefinitions(home: string): string {
  return join(home, 'job-defs')
}

/** What the room plan needs to know of this home. */
export function planSettings({ home, settings, structure }: QuernConfig): PlanSettings {
  return {
    directories: chunkDirectories({ home, shipped: installation() }),
    distributeRefs: settings.DISTRIBUTE_REFS,
    definitions: jobDefinitions(home),
    hostTags: hostTags(settings.HOST_TAGS),
    grants: structure.grants,
    timeout: settings.BUILD_TIMEOUT,
    untrustedRuns: settings.UNTRUSTED_RUNS,
    clone: settings,
  }
}

/** The pipeline for a request, by its own word, its hook's in quern.yaml, the commit's own file, or chunks. */
export function pipelineFor({ home, structure }: QuernConfig, request: Request): Choice {
  const ownChunks = hasOwnChunks(chunkDirectories({ home, shipped: installation() }))
  return choosePipeline(request, structure.hooks.find(({ id }) => id === request.hook)?.pipeline, { ownChunks })
}
