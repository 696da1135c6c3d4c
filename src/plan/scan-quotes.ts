/** A part of shell text in which bash expands nothing; offsets of its first character and the one after its last. */
export interface LiteralSpan {
  kind: 'single quotes' | "$'' quotes" | 'quoted here-document'
  start: number
  end: number
}

export interface QuoteScan {
  literals: LiteralSpan[]
  /** What the text leaves open at its end, as far as this scan can tell, and the line where it began. */
  open?: { what: string; line: number }
}

type FrameKind = 'text' | 'parentheses' | 'arithmetic' | 'backquotes' | 'double quotes' | 'braces'

interface Frame {
  kind: FrameKind
  start: number
  /** Single quotes mean themselves: inside double quotes, also within their `${…}`. */
  doubled: boolean
  /** Parentheses opened inside an arithmetic frame, `case` statements inside a parenthesis. */
  depth: number
}

interface HereDocument {
  delimiter: string
  quoted: boolean
  stripTabs: boolean
  start: number
}

/**
 * Finds where bash text is literal. Not a parser: it follows quotes, substitutions, comments and here-documents as
 * bash reads them (https://www.gnu.org/software/bash/manual/bash.html#Quoting), and nothing else.
 */
export function scanQuotes(text: string): QuoteScan {
  const literals: LiteralSpan[] = []
  const frames: Frame[] = [{ kind: 'text', start: 0, doubled: false, depth: 0 }]
  const waiting: HereDocument[] = []
  let at = 0
  let open: { what: string; start: number } | undefined

  while (at < text.length && open === undefined) {
    const frame = frames.at(-1)!
    const rest = text.slice(at, at + 3)
    if (rest[0] === '\\') at += 2
    else if (openSubstitution(rest, frame)) continue
    else if (frame.kind === 'double quotes') readQuoted(rest)
    else if (rest[0] === '"') push('double quotes', 1)
    else if (!frame.doubled && rest[0] === "'") readSingle(1, 'single quotes')
    else if (!frame.doubled && rest.startsWith("$'")) readSingle(2, "$'' quotes")
    else if (frame.kind === 'braces') readBraces(rest)
    else if (frame.kind === 'arithmetic') readArithmetic(rest, frame)
    else readCommands(rest, frame)
  }
  if (open === undefined && waiting[0] !== undefined) open = { what: 'a here-document', start: waiting[0].start }
  if (open === undefined && frames.length > 1) open = { what: frames.at(-1)!.kind, start: frames.at(-1)!.start }
  return { literals, ...(open && { open: { what: open.what, line: text.slice(0, open.start).split('\n').length } }) }

  function push(kind: FrameKind, length: number): true {
    const around = frames.at(-1)!
    frames.push({ kind, start: at, depth: 0, doubled: kind === 'braces' && (around.doubled || around.kind === 'double quotes') })
    at += length
    return true
  }

  function pop(length: number): void {
    frames.pop()
    at += length
  }

  function openSubstitution(rest: string, frame: Frame): boolean {
    if (rest === '$((') return push('arithmetic', 3)
    if (rest.startsWith('$(')) return push('parentheses', 2)
    if (rest.startsWith('${')) return push('braces', 2)
    if (rest[0] !== '`') return false
    if (frame.kind !== 'backquotes') return push('backquotes', 1)
    pop(1)
    return true
  }

  function readQuoted(rest: string): void {
    if (rest[0] === '"') pop(1)
    else at += 1
  }

  function readBraces(rest: string): void {
    if (rest[0] === '}') pop(1)
    else at += 1
  }

  function readArithmetic(rest: string, frame: Frame): void {
    if (rest[0] === '(') frame.depth += 1
    else if (rest[0] === ')' && frame.depth > 0) frame.depth -= 1
    else if (rest.startsWith('))')) return pop(2)
    // Two subshells that began together: only the inner one ends here.
    else if (rest[0] === ')') frame.kind = 'parentheses'
    at += 1
  }

  function readCommands(rest: string, frame: Frame): void {
    const wordStart = at === 0 || /[\s;&|()`]/.test(text[at - 1]!)
    if (rest[0] === '\n') readHereDocuments()
    else if (rest[0] === '#' && wordStart) skipComment()
    else if (rest === '<<<') at += 3
    else if (rest.startsWith('<<')) noteHereDocument()
    else if (rest.startsWith('((') && wordStart) push('arithmetic', 2)
    else if (rest[0] === '(') push('parentheses', 1)
    else if (rest[0] === ')') closeParenthesis(frame)
    else {
      if (wordStart && frame.kind === 'parentheses') countCases(frame)
      at += 1
    }
  }

  /** The `)` after a pattern of a `case` closes nothing. */
  function closeParenthesis(frame: Frame): void {
    if (frame.kind === 'parentheses' && frame.depth === 0) pop(1)
    else at += 1
  }

  function countCases(frame: Frame): void {
    if (matchHere(/case\s+[^\n]*?\sin\s/y)) frame.depth += 1
    else if (frame.depth > 0 && matchHere(/esac(?![\w-])/y)) frame.depth -= 1
  }

  function skipComment(): void {
    const end = text.indexOf('\n', at)
    at = end === -1 ? text.length : end
  }

  function readSingle(opening: number, kind: 'single quotes' | "$'' quotes"): void {
    const start = at + opening
    const end = kind === 'single quotes' ? text.indexOf("'", start) : start + (matchHere(/\$'((?:[^\\']|\\[^])*)'/y)?.[1]?.length ?? NaN)
    if (end === -1 || Number.isNaN(end)) {
      open = { what: kind, start: at }
      return
    }
    literals.push({ kind, start, end })
    at = end + 1
  }

  function noteHereDocument(): void {
    const match = matchHere(/<<(-?)[ \t]*((?:'[^'\n]*'|"[^"\n]*"|\\.|[^\s;&|<>()'"\\])+)/y)
    if (match) {
      const word = match[2]!
      waiting.push({ delimiter: word.replace(/['"\\]/g, ''), quoted: /['"\\]/.test(word), stripTabs: match[1] === '-', start: at })
    }
    at += match?.[0].length ?? 2
  }

  function readHereDocuments(): void {
    at += 1
    for (let here = waiting[0]; here !== undefined && open === undefined; here = waiting[0]) {
      const start = at
      const end = endOfHereDocument(here)
      if (end === undefined) open = { what: 'a here-document', start: here.start }
      else if (here.quoted) literals.push({ kind: 'quoted here-document', start, end })
      waiting.shift()
    }
  }

  /** Leaves `at` behind the delimiter's line and returns the offset where that line begins. */
  function endOfHereDocument({ delimiter, stripTabs }: HereDocument): number | undefined {
    while (at < text.length) {
      const start = at
      const newline = text.indexOf('\n', at)
      at = newline === -1 ? text.length : newline + 1
      const line = text.slice(start, newline === -1 ? text.length : newline)
      if ((stripTabs ? line.replace(/^\t+/, '') : line) === delimiter) return start
    }
    return undefined
  }

  function matchHere(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = at
    return pattern.exec(text)
  }
}
