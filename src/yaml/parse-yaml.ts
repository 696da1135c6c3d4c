import * as v from 'valibot'
import type { Document, LineCounter } from 'yaml'
import { describeIssue } from '../model/issue.ts'
import { keepAsWritten } from './as-written.ts'

/** One mistake in a YAML file that a person wrote. */
export interface YamlProblem {
  /** From 1. */
  line: number
  /** Like `hooks[0].secret`; empty where the whole document is meant. */
  key: string
  /** What was expected and what is there. */
  message: string
}

/** A YAML file is not as it must be. The message has a line for each problem: `<file>:<line>: <key>: <message>`. */
export class YamlError extends Error {
  override name = 'YamlError'
  readonly problems: YamlProblem[]

  constructor(file: string, problems: YamlProblem[]) {
    super(problems.map(({ line, key, message }) => `${file}:${line}: ${key === '' ? '' : `${key}: `}${message}`).join('\n'))
    this.problems = problems
  }
}

/** Characters of a file that a person wrote; a longer one is refused before it is parsed. */
const longest = 1_000_000
/** Problems told at once. */
const told = 20

/**
 * Parses YAML 1.2 and checks it: syntax, duplicate keys, aliases that explode, and the schema (use `v.strictObject`, so
 * that unknown keys are refused). The library is loaded only here. An empty file counts as an empty map.
 * @param file the name that messages begin with
 * @param asWritten places like `params.*.choices.*` where plain numbers and booleans are text: 3.10 stays `3.10`
 * @throws {YamlError} with each problem's line and key
 */
export async function parseYaml<Schema extends v.GenericSchema>(text: string, file: string, schema: Schema, asWritten: string[] = []): Promise<v.InferOutput<Schema>> {
  if (text.length > longest) throw new YamlError(file, [{ line: 1, key: '', message: `expected at most ${longest} characters, got ${text.length}` }])
  // The default, since a bundle of this CommonJS package has no other.
  const { default: yaml } = await import('yaml')
  const lines = new yaml.LineCounter()
  const document = yaml.parseDocument(text, { lineCounter: lines, merge: true, stringKeys: true, prettyErrors: false })
  if (document.errors.length > 0) {
    throw new YamlError(file, document.errors.slice(0, told).map((error) => ({ line: lines.linePos(error.pos[0]).line, key: '', message: readableSyntax(error.code, error.message) })))
  }
  keepAsWritten(document, asWritten, yaml)
  const result = v.safeParse(schema, plainValue(document, file))
  if (result.success) return result.output
  throw new YamlError(file, result.issues.slice(0, told).map((issue) => problemOf(issue, { schema, document, lines, isMap: yaml.isMap })))
}

interface Place {
  schema: v.GenericSchema
  document: Document
  lines: LineCounter
  isMap: typeof import('yaml').isMap
}

function plainValue(document: Document, file: string): unknown {
  const value = withoutAliases(document, file) ?? {}
  if (typeof value === 'object' && !Array.isArray(value)) return value
  throw new YamlError(file, [{ line: 1, key: '', message: 'expected a map (lines of the form "key: value")' }])
}

function withoutAliases(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new YamlError(file, [{ line: 1, key: '', message: `the aliases cannot be resolved (${(error as Error).message}): write the values out` }])
  }
}

function problemOf(issue: v.BaseIssue<unknown>, place: Place): YamlProblem {
  const path = (issue.path ?? []).map((item) => item.key as string | number)
  const unknown = issue.type === 'strict_object' && issue.expected === 'never'
  const known = unknown ? keysAt(place.schema, path.slice(0, -1)) : []
  const message = unknown ? `unknown key${known.length > 0 ? `: expected one of ${known.join(', ')}` : ''}` : describeIssue(issue)
  return { line: lineOf(path, place), key: dotted(path), message }
}

function dotted(path: (string | number)[]): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : index === 0 ? key : `.${key}`)).join('')
}

/** The line of the key, or of the nearest thing around it that is written in the file. */
function lineOf(path: (string | number)[], place: Place): number {
  const { document, lines, isMap } = place
  for (let depth = path.length; depth > 0; depth--) {
    const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true)
    const pair = isMap(parent) ? parent.items.find(({ key }) => (key as { value?: unknown }).value === path[depth - 1]) : undefined
    const node = pair?.key ?? document.getIn(path.slice(0, depth), true)
    const range = (node as { range?: [number, number, number] | null } | undefined)?.range
    if (range) return lines.linePos(range[0]).line
  }
  return 1
}

/** The keys that the schema knows at a path, as far as it can be followed. */
function keysAt(schema: unknown, path: (string | number)[]): string[] {
  const { entries, wrapped, options, item, value } = schema as { entries?: Record<string, unknown>; wrapped?: unknown; options?: unknown; item?: unknown; value?: unknown }
  if (wrapped !== undefined) return keysAt(wrapped, path)
  if (Array.isArray(options)) return [...new Set(options.filter((option) => typeof option === 'object').flatMap((option) => keysAt(option, path)))]
  const [first, ...rest] = path
  if (first === undefined) return entries === undefined ? [] : Object.keys(entries)
  const next = typeof first === 'number' ? item : (entries?.[first] ?? value)
  return typeof next === 'object' && next !== null ? keysAt(next, rest) : []
}

function readableSyntax(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'the key stands twice in this map: remove one of them'
  if (code === 'TAB_AS_INDENT') return 'indented by a tab, which YAML does not allow: use blanks'
  if (code === 'NON_STRING_KEY') return 'expected text as the key: put it in quotes'
  if (code === 'MULTIPLE_DOCS') return 'expected one document: remove the line "---"'
  return message.replace(/\n[\s\S]*/, '')
}
