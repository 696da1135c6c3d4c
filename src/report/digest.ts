import { readable } from '../model/readable.ts'
import { harmless, prefix, rules, suspicious, triedAgain, type Rule } from './digest-rules.ts'
import { decodeLine, openRecoder } from './encoding.ts'
import { openShapes } from './line-shapes.ts'
import { openLines, type Line } from './lines.ts'

/** The first real error of a log. */
export interface Digest {
  /** Whose words these are: gcc and its like are `compiler`. */
  tool: string
  /** Number of the error's line in the log, from 1. */
  line: number
  /** The error's line. */
  text: string
  /** The error with the lines around it that belong to it, at most 20. */
  lines: string[]
  /** The place in the sources, where the log tells it. */
  file?: string
  fileLine?: number
  /** Nothing in the log calls itself an error: this is its end. */
  guess?: true
  /** It only says that something above it failed. */
  weak?: true
  /** The artifact that told it, where that was not the log. */
  source?: string
}

/** Lines of a digest, and of the log that are kept to look back. */
const most = 20

/** Characters of a line that a digest shows. */
const widest = 500

/** Characters of different suspicious lines that are held against the rules: a log made to be slow costs seconds, not hours. A short line costs as much as one of `shortest`. */
const mostEffort = 16 * 1024 * 1024
const shortest = 80

/** Lines below an error in which it may say that it is tried again. */
const patience = 5

interface Candidate {
  rule: Rule
  line: number
  text: string
  above: string[]
  below: string[]
  place: Place
  /** A bash trace went on to the next command after it, so it was not what ended a script under `set -e`. */
  passed: boolean
  /** There was a bash trace before it. */
  traced: boolean
}

interface Place {
  file?: string
  fileLine?: number
}

/** Finds the first real error of a log that is pushed in pieces, in constant memory. `end` tells it; undefined for a log without lines. */
export function openDigest(): { push(chunk: Uint8Array): void; end(): Digest | undefined } {
  const recode = openRecoder()
  const recent: Line[] = []
  const seen = new Set<Rule>()
  const dull = openShapes()
  let effort = mostEffort
  const best: (Candidate | undefined)[] = []
  let open: Candidate[] = []
  let trace: Line | undefined
  const lines = openLines((chunk) => open.length > 0 || (best[3] === undefined && suspicious.test(chunk)) || isTrace(chunk), onLine)
  return {
    push: (chunk) => lines.push(recode(chunk)),
    end() {
      lines.end()
      return digestOf(best[3] ?? [best[2], best[1]].find((candidate) => candidate && !(candidate.passed && candidate.rule.tool === 'program' && spoke()))) ?? ending(recent, trace)
    },
  }

  function onLine(line: Line, passive: boolean): void {
    if (open.length > 0) extend(line.text)
    if (best[3] === undefined && !passive) consider(line)
    if (/^\+ (?!exit\b|return\b)/.test(line.text)) passOn(line)
    recent.push(line)
    if (recent.length > most) recent.shift()
  }

  function consider({ text: whole, number }: Line): void {
    const line = { text: whole.slice(0, widest), number }
    noteStates(line.text)
    if (!suspicious.test(`\n${line.text}`) || dull.has(line.text)) return
    if ((effort -= Math.max(line.text.length, shortest)) < 0) return
    const text = clean(line.text).replace(prefix, '')
    if (harmless.some((pattern) => pattern.test(text))) return dull.add(line.text)
    for (const rule of rules) {
      if (rule.after !== undefined && !seen.has(rule)) continue
      const match = rule.match.exec(text)
      if (match === null) continue
      if (rule.rank < 3 && triedAgain.test(text)) return
      if (best[rule.rank] === undefined || best[rule.rank]!.passed) take({ rule, line: line.number, text, above: aboveOf(rule), below: [], place: placeIn(match), passed: false, traced: trace !== undefined })
      return
    }
    dull.add(line.text)
  }

  function take(candidate: Candidate): void {
    if (candidate.place.file === undefined) candidate.place = { ...placeBehind(candidate), ...candidate.place }
    best[candidate.rule.rank] = candidate
    open.push(candidate)
  }

  /** Gives the open candidates the line below them; one that is tried again is no candidate. */
  function extend(line: string): void {
    const text = clean(line)
    open = open.filter((candidate) => {
      const { rule, below, above } = candidate
      if (rule.rank < 3 && below.length < patience && triedAgain.test(text)) {
        best[rule.rank] = undefined
        return false
      }
      below.push(text)
      const place = candidate.place.file === undefined ? rule.below?.exec(text) : undefined
      if (place) candidate.place = { ...placeIn(place), ...candidate.place }
      if (place && rule.promote) best[3] ??= candidate
      return above.length + below.length + 1 < most * 2
    })
  }

  function passOn(line: Line): void {
    trace = line
    for (const rank of [1, 2]) if (best[rank]?.traced) best[rank].passed = true
  }

  /** Whether the last traced command printed something. */
  function spoke(): boolean {
    return trace !== undefined && recent.at(-1)?.number !== trace.number
  }

  function noteStates(line: string): void {
    for (const rule of staged) if (!seen.has(rule) && rule.after!.test(line)) seen.add(rule)
  }

  function aboveOf({ above = 0, since }: Rule): string[] {
    const texts = recent.slice(-Math.max(above, 0)).map(({ text }) => clean(text))
    if (above === 0) return []
    if (since === undefined) return texts
    const start = texts.findLastIndex((text) => since.test(text))
    return start < 0 ? [] : texts.slice(start)
  }

  function placeBehind({ rule: { behind } }: Candidate): Place | undefined {
    if (behind === undefined) return undefined
    for (const { text } of recent.toReversed()) {
      const match = behind.exec(clean(text))
      if (match) return placeIn(match)
    }
    return undefined
  }
}

const staged = rules.filter(({ after }) => after !== undefined)

function placeIn(match: RegExpExecArray): Place {
  const { file, line } = match.groups ?? {}
  return { ...(file !== undefined && { file: file.slice(0, 300) }), ...(line !== undefined && { fileLine: Number(line) }) }
}

function digestOf(candidate: Candidate | undefined): Digest | undefined {
  if (candidate === undefined) return undefined
  const { rule, line, text, above, below, place } = candidate
  const lines = [...above.slice(-(most - 1)), text, ...below].slice(0, most).map(shown)
  return { tool: rule.tool, line, text: shown(text), lines: withoutBlankEnd(lines), ...place, ...(rule.rank === 1 && { weak: true }) }
}

/** Where nothing calls itself an error: the last command of a bash trace and what it said, or the last lines. */
function ending(recent: Line[], trace: Line | undefined): Digest | undefined {
  const start = Math.max(recent.findLastIndex(({ number }) => number === trace?.number), 0)
  const since = recent.slice(start).filter(({ text }) => text.trim() !== '')
  // What a script says before it gives up is better told by its words than by the command that prints them.
  const lines = since.length > 1 && /^\+ (?:echo|printf)\b/.test(since[0]!.text) ? since.slice(1) : since
  const [first] = lines
  if (first === undefined) return undefined
  const texts = lines.slice(-most).map(({ text }) => shown(clean(text)))
  return { tool: trace === undefined ? 'end of log' : 'shell', line: first.number, text: texts[0]!, lines: texts, guess: true }
}

/** The line as people read it. Most lines are plain ASCII and are that already. */
function clean(line: string): string {
  return /[^\t\x20-\x7e]/.test(line) ? readable(decodeLine(line)) : line
}

function shown(text: string): string {
  return text.length > widest ? `${text.slice(0, widest)}…` : text
}

function withoutBlankEnd(lines: string[]): string[] {
  return lines.slice(0, lines.findLastIndex((line) => line.trim() !== '') + 1)
}

function isTrace(chunk: string): boolean {
  return chunk.startsWith('+') || chunk.includes('\n+')
}
