import { join } from 'node:path'
import type { Document, LineCounter } from 'yaml'
import { readPrivateFile } from './read-private-file.ts'
import { SecretsError } from './secrets-error.ts'

/** Secrets by name, as they will stand in a job's environment. */
export type Secrets = ReadonlyMap<string, string>

/**
 * Reads secrets.yml of a home, none where there is no file: a map, or BYA's list, of names and values. Every value is
 * taken as it is written: `007` stays three digits. The file is read anew each time, so that a rotated secret serves at once.
 * @throws {SecretsError} where others could read the file, or naming the line that is wrong
 */
export async function readSecrets(home: string): Promise<Secrets> {
  const path = join(home, 'secrets.yml')
  const text = readPrivateFile(path)
  return text === undefined ? new Map() : parseSecrets(text, path)
}

/** The same for the file's text. */
export async function parseSecrets(text: string, path: string): Promise<Secrets> {
  const { default: yaml } = await import('yaml')
  const lines = new yaml.LineCounter()
  const document = yaml.parseDocument(withBlanks(text), { schema: 'failsafe', lineCounter: lines, prettyErrors: false, stringKeys: true })
  const [error] = document.errors
  // The parser's own message may repeat what stands there: only its code is told.
  if (error !== undefined) throw new SecretsError(`${path}:${lines.linePos(error.pos[0]).line}: not readable as YAML (${error.code}): write NAME: 'value', with the value in single quotes`)
  const secrets = new Map<string, string>()
  for (const { name, value, line } of pairsOf(document, { yaml, lines, path })) {
    const mistake = mistakeOf(name, value, secrets)
    if (mistake !== undefined) throw new SecretsError(`${path}:${line}: ${mistake}`)
    secrets.set(name, value!)
  }
  return secrets
}

/** BYA's `NAME:value` is no YAML map; the blank that was meant is put in. Only at the start of a line: the lines of a block are indented. */
function withBlanks(text: string): string {
  return text.replace(/^((?:-[ ]+)?[A-Za-z_][A-Za-z0-9_]*):(?=[^\s])/gm, '$1: ')
}

interface Pair {
  name: string
  /** Absent where something other than text stands there. */
  value: string | undefined
  line: number
}

function pairsOf(document: Document, { yaml, lines, path }: { yaml: typeof import('yaml'); lines: LineCounter; path: string }): Pair[] {
  const { contents } = document
  if (contents === null || (yaml.isScalar(contents) && contents.value === '')) return []
  const maps = yaml.isSeq(contents) ? contents.items : [contents]
  return maps.flatMap((map) => {
    if (!yaml.isMap(map)) throw new SecretsError(`${path}: expected lines of the form NAME: value`)
    return map.items.map(({ key, value }) => ({
      name: String((key as { value?: unknown }).value),
      value: value === null ? '' : yaml.isScalar(value) && typeof value.value === 'string' ? value.value : undefined,
      line: lines.linePos((key as { range?: [number, number, number] }).range?.[0] ?? 0).line,
    }))
  })
}

/** What is wrong with a secret, without its value. */
export function mistakeOf(name: string, value: string | undefined, others: Secrets): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,199}$/.test(name)) return `expected a name of letters, digits and "_" before the colon, got ${JSON.stringify(name.slice(0, 100))}`
  if (others.has(name)) return `${name} stands there twice: remove one of them`
  if (value === undefined) return `${name}: expected text, got a list or a map: put the value in single quotes`
  if (value.includes('\0')) return `${name}: a value cannot hold a NUL byte`
  return undefined
}
