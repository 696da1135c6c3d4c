/** ECMA-48 control sequences (colours, cursor moves), operating system commands (titles, links), and lone escapes. */
// eslint-disable-next-line no-control-regex
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[@-Z\\-_]|[ -/]+[0-~])/g

/** Characters that would change a terminal or the order of text; tab and newline stay. */
// eslint-disable-next-line no-control-regex
const controls = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Output of a program, or words of a stranger, as plain lines: no colours, no control characters, what a carriage return overwrote left out. */
export function readable(text: string): string {
  const plain = text.replace(escapes, '')
  const lines = plain.includes('\r') ? plain.split('\n').map(lastWritten).join('\n') : plain
  return lines.replace(controls, '\ufffd')
}

/** What a terminal shows of a line with carriage returns. No regular expression: these take the square of a long line's time. */
function lastWritten(line: string): string {
  let end = line.length
  while (line[end - 1] === '\r') end--
  return line.slice(end === 0 ? 0 : line.lastIndexOf('\r', end - 1) + 1, end)
}

/** The same on one line, for subjects, tables and log lines. */
export function readableLine(text: string): string {
  return readable(text).replace(/[\s\u2028\u2029]+/g, ' ').trim()
}
