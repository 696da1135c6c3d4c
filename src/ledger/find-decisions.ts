import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { orMissing } from '../disk/read.ts'
import type { Decision } from './ledger.ts'

type Found = Decision & { at: string }

const chunk = 256 * 1024

/** Characters after which a line is no decision but damage: it is skipped, so that memory stays bounded. */
const longest = 4 * chunk

/**
 * All decisions under a directory that name the commit (or begin it with at least 7 digits), delivery, entry or build;
 * oldest first. The files are read in pieces, so memory grows with what is found, not with what was ever decided.
 */
export function findDecisions(directory: string, key: string): Found[] {
  if (key === '') return []
  const days = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => /^\d{4}-\d\d-\d\d\.jsonl$/.test(name)).toSorted()
  return days.flatMap((day) => findInDay(join(directory, day), key))
}

function findInDay(path: string, key: string): Found[] {
  // A line that matches holds the key as JSON writes it; searching for that is far cheaper than parsing every line.
  const needle = JSON.stringify(key).slice(1, -1).toLowerCase()
  const found: Found[] = []
  for (const line of linesOf(path)) {
    const decision = line.toLowerCase().includes(needle) ? parseLine(line) : undefined
    if (decision !== undefined && names(decision, key)) found.push(decision)
  }
  return found
}

function names(decision: Decision, key: string): boolean {
  if ([decision.delivery, decision.entry, decision.build].includes(key)) return true
  return /^[0-9a-f]{7,64}$/i.test(key) && decision.commit_id?.startsWith(key.toLowerCase()) === true
}

/** A line that a power cut or a full disk tore may have the next decision glued to it: that one is still read. */
function parseLine(line: string): Found | undefined {
  const start = line.lastIndexOf('{"at":"')
  if (start < 0) return undefined
  try {
    return JSON.parse(line.slice(start)) as Found
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function* linesOf(path: string): Generator<string> {
  const descriptor = orMissing(() => openSync(path, 'r'))
  if (descriptor === undefined) return
  try {
    const buffer = Buffer.alloc(chunk)
    const decoder = new StringDecoder('utf8')
    let rest = ''
    for (let size = readSync(descriptor, buffer); size > 0; size = readSync(descriptor, buffer)) {
      const lines = (rest + decoder.write(buffer.subarray(0, size))).split('\n')
      rest = lines.pop()!
      if (rest.length > longest) rest = ''
      yield* lines
    }
    yield rest + decoder.end()
  } finally {
    closeSync(descriptor)
  }
}
