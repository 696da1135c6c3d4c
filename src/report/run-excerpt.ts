import { join } from 'node:path'
import { readExcerpt, type Excerpt } from './excerpt.ts'
import { testResultsDigest } from './test-results.ts'

/** What a report shows of a run: its log, and where that names no error itself, the first failure in the test results among its artifacts. */
export async function readRunExcerpt(runDirectory: string, limit: number): Promise<Excerpt> {
  const excerpt = await readExcerpt(join(runDirectory, 'console.log'), limit)
  const { digest } = excerpt
  if (digest !== undefined && !digest.guess && !digest.weak) return excerpt
  return { ...excerpt, digest: (await testResultsDigest(join(runDirectory, 'artifacts'))) ?? digest }
}
