import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { orMissing } from '../disk/read.ts'
import type { Dated, Decision } from './ledger.ts'

const chunk = 256 * 1024

/** Characters after which a line is no decision but damage: it is skipped, so that memory stays bounded. */
const longest = 4 * chunk

/** So many names are searched for in a line faster than it is parsed. */
const fewNames = 5

/**
 * All decisions under a directory that name the commit (or begin it with at least 7 digits), delivery, entry or build;
 * oldest first. The files are read in pieces, so memory grows with what is found, not with what was ever decided.
 */
export function findDecisions(directory: string, key: string): Dated[] {
  if (key === '') return []
  // A line that matches holds the key as JSON writes it; searching for that is far cheaper than parsing every line.
  const needle = JSON.stringify(key).slice(1, -1).toLowerCase()
  return find(directory, { mayMatch: (line) => line.toLowerCase().includes(needle), matches: (decision) => names(decision, key) })
}

/** All decisions whose delivery, entry or build is one of the names, oldest first. */
export function findNamed(directory: string, wanted: ReadonlySet<string>): Dated[] {
  if (wanted.size === 0) return []
  const needles = [...wanted].map((name) => JSON.stringify(name))
  const mayMatch = needles.length > fewNames ? () => true : (line: string) => needles.some((needle) => line.includes(needle))
  return find(directory, { mayMatch, matches: ({ delivery, entry, build }) => [delivery, entry, build].some((name) => name !== undefined && wanted.has(name)) })
}

function find(directory: string, { mayMatch, matches }: { mayMatch: (line: string) => boolean; matches: (decision: Decision) => boolean }): Dated[] {
  const days = (orMissing(() => readdirSync(directory)) ?? []).filter((name) => /^\d{4}-\d\d-\d\d\.jsonl$/.test(name)).toSorted()
  const found: Dated[] = []
  for (const day of days) {
    for (const line of linesOf(join(directory, day))) {
      const decision = mayMatch(line) ? parseLine(line) : undefined
      if (decision !== undefined && matches(decision)) found.push(decision)
    }
  }
  return found
}

function names(decision: Decision, key: string): boolean {
  if ([decision.delivery, decision.entry, decision.build].includes(key)) return true
  return /^[0-9a-f]{7,64}$/i.test(key) && decision.commit_id?.startsWith(key.toLowerCase()) === true
}

/** A line that a power cut or a full disk tore may have the next decision glued to it: that one is still read. */
function parseLine(line: string): Dated | undefined {
  const start = line.lastIndexOf('{"at":"')
  if (start < 0) return undefined
  try {
    return JSON.parse(line.slice(start)) as Dated
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
