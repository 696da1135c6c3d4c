import { readable, readableLine } from '../model/readable.ts'
import { printLine } from './terminal.ts'

/** Loads pino-pretty and returns what prints one JSON line of a log for people. A line that is not JSON is printed as it is. */
export async function openLinePrinter(): Promise<(line: string) => void> {
  const { prettyFactory } = (await import('pino-pretty')).default
  const colorize = process.stdout.isTTY === true && process.stdout.hasColors()
  const pretty = prettyFactory({ colorize, translateTime: 'SYS:yyyy-mm-dd HH:MM:ss', ignore: 'pid', singleLine: true })
  return (line) => {
    const entry = parse(line)
    printLine(entry === undefined ? readableLine(line) : told(entry))
  }

  /** Texts of several lines, like the end of a log, stand below the line as they are, set in. */
  function told(entry: object): string {
    const fields = Object.entries(safe(entry))
    const isLong = ([, value]: [string, unknown]) => typeof value === 'string' && value.includes('\n')
    const below = fields.filter(isLong).map(([name, value]) => `    ${name}:\n${String(value).trimEnd().replace(/^/gm, '      ')}`)
    return [pretty(Object.fromEntries(fields.filter((field) => !isLong(field)))).trimEnd(), ...below].join('\n')
  }
}

function parse(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** pino-pretty writes texts as they are: names and messages of strangers must not steer the terminal. Stacks and excerpts keep their lines. */
function safe(value: unknown): object {
  return JSON.parse(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? readable(inner) : inner))) as object
}
