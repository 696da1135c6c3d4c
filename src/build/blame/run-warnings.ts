import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildName, type BuildId, type RunResult, type SeenRun } from '../../model/build.ts'
import { directoryName } from '../../model/names.ts'
import { countWarnings, type Warnings } from '../../patchwork/new-warnings.ts'
import { workDirectory } from '../execute/work-directory.ts'

/** Counts the compiler warnings in the output of a run of a build, or of the run whose verdict it took; undefined where that output is not there any more. */
export function warningsOf(home: string, build: BuildId, { name, reused, reused_run: other = name }: RunResult): Promise<Warnings | undefined> {
  return warningsIn(home, { build: reused ?? buildName(build), run: other })
}

/** Those in the output of a run of any build. */
export async function warningsIn(home: string, { build, run }: SeenRun): Promise<Warnings | undefined> {
  const path = join(home, 'builds', build, 'runs', directoryName(run), 'console.log')
  if (!existsSync(path)) return undefined
  const file = createReadStream(path)
  try {
    return await countWarnings(withoutTrees(createInterface({ input: file, crlfDelay: Infinity }), `${workDirectory(home)}/`))
  } finally {
    file.destroy()
  }
}

/** Each run works in another tree: paths in it are taken from its top. */
async function* withoutTrees(lines: AsyncIterable<string>, work: string): AsyncGenerator<string> {
  for await (const line of lines) yield line.includes(work) ? line.split(work).map((part, index) => (index === 0 ? part : part.replace(/^[^/\s]+\/tree\//, ''))).join('') : line
}
