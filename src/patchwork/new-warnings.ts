/** How often a compiler gave each warning, by file and text. Lines and columns do not count: an edit above moves them. */
export type Warnings = ReadonlyMap<string, number>

export interface NewWarning {
  file: string
  text: string
  /** How many more there are than before. */
  more: number
}

/** Different warnings that are kept of one log; a log has no bounds, this has. */
const most = 20_000

/**
 * Counts the warnings in a log, read line by line, of whatever length it is.
 * GCC and Clang (`file:line:column: warning: text`) and MSVC (`file(line): warning C4996: text`).
 */
export async function countWarnings(lines: AsyncIterable<string>): Promise<Warnings> {
  const counts = new Map<string, number>()
  for await (const line of lines) {
    const key = warningOf(line)
    if (key === undefined || (counts.size >= most && !counts.has(key))) continue
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** What is there more often than before; a warning that only moved is not new. */
export function newWarnings(before: Warnings, now: Warnings): NewWarning[] {
  return [...now].flatMap(([key, count]) => {
    const more = count - (before.get(key) ?? 0)
    const [file = '', text = ''] = key.split('\0')
    return more > 0 ? [{ file, text, more }] : []
  })
}

/** File and text with NUL between, or undefined where the line gives no warning. Text that names lines, like "(declared at x.c:12)", is made equal too. */
function warningOf(line: string): string | undefined {
  // Most lines of a log give none; this look is cheap.
  if (line.length > 10_000 || !line.includes('warning')) return undefined
  // A file begins with no blank: otherwise a line of blanks takes the square of its length.
  const match = /^\s*((?:[A-Za-z]:)?[^\s:()\0][^:()\0]*)(?::\d+(?::\d+)?:|\(\d+(?:,\d+)?\)\s*:)\s*warning(?: [A-Z]+\d+)?:\s*(.+)$/.exec(line)
  if (match === null) return undefined
  return `${match[1]!.replace(/^(?:\.\/)+/, '')}\0${match[2]!.trim().replace(/:\d+(?::\d+)?\b/g, '')}`
}
