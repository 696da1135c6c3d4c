import { join } from 'node:path'
import type { Digest } from './digest.ts'
import { findFirstError, keptFirstError } from './first-error.ts'
import { readTail, type Tail } from './tail.ts'

/** What a report shows of a run. */
export interface Excerpt extends Tail {
  digest: Digest | undefined
}

/** Reads a run's first error and at most `limit` bytes of the end of its log. */
export async function readRunExcerpt(runDirectory: string, limit: number): Promise<Excerpt> {
  const digest = keptFirstError(runDirectory) ?? (await findFirstError(runDirectory))
  return { digest, ...(await readTail(join(runDirectory, 'console.log'), limit)) }
}
