import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Execution } from '../../executor/executor.ts'
import { buildName } from '../../model/build.ts'
import type { PlannedRun } from '../../model/plan.ts'
import { isTrusted } from '../../model/request.ts'
import type { RunRecord } from '../../record/build-record.ts'
import type { Attempt } from '../attempt.ts'
import type { Disclosed } from '../workshop.ts'
import { scriptOf } from './service-start.ts'
import type { Place } from './trees.ts'

interface Means {
  place: Place
  disclosed: Disclosed
  kept: RunRecord
  output: Execution['output']
}

/** What an executor is given of a run, but for what it may reach. Writes its script into the record. */
export function executionOf({ workshop, claim }: Attempt, run: PlannedRun, { place, disclosed, kept, output }: Means): Omit<Execution, 'network'> {
  const script = join(kept.directory, 'script')
  writeFileSync(script, scriptOf(run))
  const { memory, cpus, image, mounts = [] } = run
  return {
    id: `${workshop.homeId}/${buildName(claim.build)}/${run.name}`,
    script,
    workspace: place.path,
    start: place.tree,
    env: { ...workshop.world, TMPDIR: place.temporary, ...(run.archive !== false && { ARCHIVE_ROOT: place.archive }), ...(run.closed !== true && { BUILD_NUMBER: String(claim.build.number) }), ...run.env, ...disclosed.env },
    output,
    limits: { ...workshop.limits, timeout: run.timeout * 60_000, ...(memory !== undefined && { memory: memory * 1024 ** 2 }), ...(cpus !== undefined && { cpus }) },
    ...(image !== undefined && { image }),
    mounts: [...place.mounts, ...mounts],
    untrusted: !isTrusted(claim.request),
  }
}
