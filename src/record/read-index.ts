import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import { buildName, type BuildResult } from '../model/build.ts'
import { readResult } from './read-result.ts'

/** Bytes read at a time. */
const piece = 64 * 1024

/**
 * The finished builds, newest first, each once. Reads builds/index.jsonl from its end, so that the newest cost the same
 * however many there are. Lines that a crash tore are left out.
 */
export function* resultsNewestFirst(home: string): Generator<BuildResult> {
  const seen = new Set<string>()
  for (const line of linesFromEnd(join(home, 'builds', 'index.jsonl'))) {
    const result = readResult(line === '' ? undefined : line)
    // A builder that died just after deciding leaves a line that its successor writes again.
    if (result === undefined || seen.has(buildName(result))) continue
    seen.add(buildName(result))
    yield result
  }
}

function* linesFromEnd(path: string): Generator<string> {
  const descriptor = orMissing(() => openSync(path, 'r'))
  if (descriptor === undefined) return
  try {
    let rest = Buffer.alloc(0)
    for (let end = fstatSync(descriptor).size; end > 0; ) {
      const start = Math.max(end - piece, 0)
      const read = Buffer.alloc(end - start)
      readSync(descriptor, read, 0, read.length, start)
      const text = Buffer.concat([read, rest])
      // What stands before the first newline may go on in the piece before; bytes, since a character may be cut.
      const first = start === 0 ? 0 : text.indexOf(0x0a) + 1
      rest = first === 0 && start > 0 ? text : text.subarray(0, first)
      if (first > 0 || start === 0) yield* text.subarray(first).toString('utf8').split('\n').toReversed()
      end = start
    }
  } finally {
    closeSync(descriptor)
  }
}
