import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { isCode, orMissing } from '../disk/read.ts'
import { makeDirectory, writeAtomically } from '../disk/write.ts'
import { parseBuildName } from '../model/build.ts'
import type { Report } from './publisher.ts'

/** Bytes. A mail's text is bounded far below; what is larger was not written by a build. */
const largest = 4 * 1024 * 1024

const reportSchema = v.object({
  id: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,200}$/)),
  publisher: v.string(),
  build: v.pipe(v.string(), v.check((name) => parseBuildName(name) !== undefined && !name.startsWith('.'), 'expected <pipeline>/<number>')),
  created: v.pipe(v.string(), v.isoTimestamp()),
  not_before: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  payload: v.unknown(),
})

/** Writes a report into its build so that it survives a power cut once this returns. */
export function writeReport(buildDirectory: string, report: Report): void {
  writeAtomically(join(makeDirectory(join(buildDirectory, 'reports')), `${report.id}.json`), `${JSON.stringify(report)}\n`, { durable: true })
}

/** The reports that a build wrote. @throws naming the one that cannot be read */
export function readReports(buildDirectory: string): Report[] {
  const directory = join(buildDirectory, 'reports')
  const names = orMissing(() => readdirSync(directory)) ?? []
  return names.filter((name) => /^[^.].*\.json$/.test(name)).flatMap((name) => {
    const report = readReport(join(directory, name))
    if (typeof report === 'string') throw new Error(`reading the report ${join(directory, name)}: ${report}`)
    return report ?? []
  })
}

/** The report, why it cannot be read, or undefined where it is gone. */
export function readReport(path: string): Report | string | undefined {
  try {
    const found = lstatSync(path)
    if (!found.isFile()) return 'not a regular file'
    if (found.size > largest) return `larger than ${largest} bytes`
    return v.parse(reportSchema, JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    return `unreadable: ${(error as Error).message}`
  }
}
