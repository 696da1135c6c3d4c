/** Globs as data: where to look, and what of it is named. */
export interface ArtifactGlobs {
  /** Directories, relative to the tree, below which all that is named lies; `''` for the tree itself. None lies in another. */
  bases: string[]
  names(path: string): boolean
}

/** Globs, once their braces are written out. */
const most = 200

/** Steps that it may take to hold one path against all globs, and what all paths together may take beyond. A step is some nanoseconds. */
const fewSteps = 5000
const mostSteps = 20_000_000

type Segment = '**' | Token[]
/** One character of a name: which it may be, or `*` for any number of any. */
type Token = '*' | ((character: string) => boolean)

/**
 * Reads globs that a stranger may have written: `*`, `**`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, `{1..9}`, `\` before a character that is
 * meant itself, and `!` before a glob whose files are left out. A regular expression, into which libraries turn globs, can
 * take hours for one name, and braces within them all memory: here the time grows with the name times the glob, no more.
 * That can still be seconds for a name, and there can be millions of these, while the builder does nothing else.
 * @throws {RangeError} where the braces make too many, and `names` where all names together have taken too long
 */
export function readGlobs(globs: string[]): ArtifactGlobs {
  const written = writtenOut(globs)
  if (written.length > most) throw new RangeError(`"artifacts" are more than ${most} globs, their braces written out: name directories instead`)
  const parsed = (negative: boolean) => written.filter((glob) => glob.startsWith('!') === negative).map((glob) => parse(negative ? glob.slice(1) : glob))
  const [wanted, unwanted] = [parsed(false).filter(({ segments }) => !leadsOut(segments)), parsed(true)]
  let left = mostSteps
  return {
    bases: outermost(wanted.map(({ plain }) => plain.join('/'))),
    names(path) {
      const names = path.split('/').map((name) => [...name])
      const effort: Effort = { left: left + fewSteps }
      const fits = ({ segments }: Parsed) => matches(segments, names, { fits: (segment, name) => fitsName(segment, name, effort), any: '**', effort })
      const named = wanted.some(fits) && !unwanted.some(fits)
      left = Math.min(left, effort.left)
      return named
    },
  }
}

/** Steps that may still be taken. */
interface Effort {
  left: number
}

interface Parsed {
  segments: Segment[]
  /** The segments before the first one with a wildcard, as they are; the last one is a file's name. */
  plain: string[]
}

function parse(glob: string): Parsed {
  const words = glob.split('/').filter((word) => word !== '' && word !== '.')
  const wild = words.findIndex((word) => /[*?[\\]/.test(word))
  return { segments: words.map((word) => (word === '**' ? word : tokensOf(word))), plain: words.slice(0, wild < 0 ? -1 : wild) }
}

function leadsOut(segments: Segment[]): boolean {
  return segments.some((segment) => fitsName(segment, ['.', '.'], { left: fewSteps }) && segment.length === 2 && !segment.includes('*'))
}

/** Each once, and none that lies in another. */
function outermost(bases: string[]): string[] {
  const all = [...new Set(bases)]
  return all.filter((base) => !all.some((other) => other !== base && (other === '' || base.startsWith(`${other}/`))))
}

function tokensOf(word: string): Token[] {
  const tokens: Token[] = []
  const parts: string[] = word.match(/\\?[^]|\\$/gu) ?? []
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!
    const closing = part === '[' ? parts.indexOf(']', index + 2) : -1
    if (part === '*') tokens.push('*')
    else if (part === '?') tokens.push(() => true)
    else if (closing > 0) {
      tokens.push(oneOf(parts.slice(index + 1, closing).map(meant)))
      index = closing
    } else tokens.push((character) => character === meant(part))
  }
  return tokens
}

/** `a-z` in brackets, or the opposite after `!` or `^`. */
function oneOf(inside: string[]): (character: string) => boolean {
  const negated = inside[0] === '!' || inside[0] === '^'
  const members = negated ? inside.slice(1) : inside
  const ranges: [string, string][] = []
  for (let index = 0; index < members.length; index++) {
    const isRange = members[index + 1] === '-' && members[index + 2] !== undefined
    ranges.push([members[index]!, members[isRange ? index + 2 : index]!])
    if (isRange) index += 2
  }
  return (character) => ranges.some(([first, last]) => character >= first && character <= last) !== negated
}

function meant(part: string): string {
  return part.length > 1 && part.startsWith('\\') ? part.slice(1) : part
}

function fitsName(segment: Segment, name: string[], effort: Effort): boolean {
  return segment !== '**' && matches(segment, name, { fits: (token, character) => token !== '*' && token(character), any: '*', effort })
}

/**
 * Whether the items fit the pattern, in which `any` stands for any number of items. On a miss only the last `any` takes one
 * item more: what an earlier one could take, the last one can as well.
 */
function matches<P, I>(pattern: P[], items: I[], { fits, any, effort }: { fits: (one: P, item: I) => boolean; any: P; effort: Effort }): boolean {
  let [at, next, lastAny, resumed] = [0, 0, -1, 0]
  while (at < items.length) {
    if (--effort.left < 0) throw new RangeError('to hold its files against "artifacts" takes too long: name fewer globs, or directories instead')
    if (pattern[next] === any) {
      lastAny = next++
      resumed = at
    } else if (next < pattern.length && fits(pattern[next]!, items[at]!)) {
      at++
      next++
    } else if (lastAny >= 0) {
      at = ++resumed
      next = lastAny + 1
    } else return false
  }
  return pattern.slice(next).every((rest) => rest === any)
}

/** All of them without braces; or some, where they are far too many. */
function writtenOut(globs: string[]): string[] {
  const written: string[] = []
  for (const glob of globs) {
    if (written.length > most) break
    written.push(...expandBraces(glob))
  }
  return written
}

/** All that the braces stand for, innermost first; or some of it, where it is far too much. */
function expandBraces(glob: string): string[] {
  const finished = new Set<string>()
  const unfinished = [glob]
  while (unfinished.length > 0 && finished.size + unfinished.length <= 2 * most) {
    const one = unfinished.pop()!
    const found = /(?<!\\)\{((?:[^{}\\]|\\.)*)\}/su.exec(one)
    if (found === null) finished.add(one)
    else for (const choice of choicesOf(found[1]!)) unfinished.push(one.slice(0, found.index) + choice + one.slice(found.index + found[0].length))
  }
  return [...finished, ...unfinished]
}

/** Braces without a choice, like `{a}`, are meant themselves. */
function choicesOf(inside: string): string[] {
  const [, first, last] = /^(\d{1,6})\.\.(\d{1,6})$/.exec(inside) ?? []
  if (first !== undefined && last !== undefined) return range(Number(first), Number(last))
  const choices = inside.split(/(?<!\\),/)
  return choices.length > 1 ? choices : [`\\{${inside}\\}`]
}

function range(first: number, last: number): string[] {
  const step = first <= last ? 1 : -1
  return Array.from({ length: Math.min(Math.abs(last - first), 2 * most) + 1 }, (_, index) => String(first + index * step))
}
