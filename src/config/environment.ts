import { parse } from 'dotenv'
import { ConfigError } from './config-error.ts'
import { readHandWritten } from './read-hand-written.ts'

/** The names and values of environment.sh, and the line where each was set last. */
export interface EnvironmentFile {
  values: Record<string, string>
  lines: Record<string, number>
}

/**
 * Reads environment.sh; nothing is set where there is none.
 * The launcher sources the file as shell, Node reads it by dotenv: only lines that both read alike are taken.
 * @throws {ConfigError} naming file and line of the first one that they would not
 */
export function readEnvironmentFile(path: string): EnvironmentFile {
  return parseEnvironment(readHandWritten(path) ?? '', path)
}

/** The same for the file's text. */
export function parseEnvironment(text: string, path: string): EnvironmentFile {
  const lines: Record<string, number> = {}
  for (const [index, line] of text.split('\n').entries()) {
    if (/^[ \t]*(?:#|$)/.test(line) && !stray.test(line)) continue
    const name = line.match(assignment)?.[1]
    const mistake = stray.test(line) || name === undefined ? mistakeOf(line) : shellOwned.test(name) ? `${name} is a name that shells keep for themselves` : undefined
    if (mistake !== undefined) throw new ConfigError(`${path}:${index + 1}: ${mistake}`)
    lines[name!] = index + 1
  }
  return { values: parse(text), lines }
}

/**
 * An assignment that every POSIX shell and dotenv read alike. In double quotes a shell looks into $, ` and \, dotenv
 * into \ only; in single quotes a shell looks into nothing, but dotenv takes \' for a quote; a # is a comment
 * for the shell only after a blank.
 */
const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(?:"[^"$`\\]*"|'(?:[^']*[^'\\])?'|[A-Za-z0-9_./:@%+,=-]*)[ \t]*(?:[ \t]#.*)?$/

/** Characters on which shells and JavaScript disagree whether they end a line or are blank. */
// eslint-disable-next-line no-control-regex
const stray = /[\x00-\x08\x0a-\x1f\x7f\u0085\u2028\u2029\ufeff]/

const shellOwned = /^(?:_|BASH.*|DIRSTACK|EPOCHREALTIME|EPOCHSECONDS|EUID|FUNCNAME|GROUPS|HISTCMD|IFS|LINENO|OPTIND|PPID|RANDOM|SECONDS|SHELLOPTS|SRANDOM|UID)$/

/** Says what is wrong with a line, without its value, which may be a secret. */
function mistakeOf(line: string): string {
  const form = 'write it as export NAME="value"'
  if (line.endsWith('\r')) return `the line ends in a carriage return, which the shell takes into the value: save the file with Unix line ends (sed -i 's/\\r$//' environment.sh)`
  if (stray.test(line)) return 'the line holds an invisible control character: type it again'
  const name = line.match(/^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=/)?.[1]
  if (name === undefined) return `expected a comment or a setting without blanks around "=", nothing else: ${form}`
  const value = line.slice(line.indexOf('=') + 1)
  if (/^"[^"]*[$`\\]/.test(value)) return `${name}: the shell would replace "$", "\`" or "\\" inside double quotes, Node would not: write the value itself, in single quotes where it holds such a character`
  if (/^'[^']*\\'/.test(value)) return `${name}: a "\\" before the closing quote is read differently by the shell and by Node: choose a value that does not end in "\\"`
  if (/^(?:"[^"]*|'[^']*)$/.test(value)) return `${name}: the closing quote is missing on this line: ${form}`
  if (/^(?:"[^"]*"|'[^']*')/.test(value)) return `${name}: expected nothing but a blank and a # comment after the closing quote: ${form}`
  return `${name}: a value with blanks or other characters than letters, digits and _./:@%+,=- needs quotes: ${form}`
}
