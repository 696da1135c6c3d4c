/** One place in a buffer that holds a form: bytes `start` to `end`, exclusive. */
interface Found {
  start: number
  end: number
}

/** Finds any of several byte strings in one pass. */
export interface Finder {
  longest: number
  /** The first place at or after `from`, by its start; the longest form there. */
  next(buffer: Uint8Array, from: number): Found | undefined
  /** Where the end of the buffer begins that could be the beginning of a form; its length where it cannot. */
  tail(buffer: Uint8Array): number
}

/**
 * Wu and Manber's search ("A fast algorithm for multi-pattern searching", 1994): a table tells from two bytes how far
 * the window can jump, so that most bytes of a log are never looked at. One pass for all forms of all secrets.
 * @param forms none empty
 */
export function createFinder(forms: Uint8Array[]): Finder {
  const window = Math.min(255, ...forms.map((form) => form.length))
  const block = Math.min(2, window)
  const jumps = new Uint8Array(65_536).fill(window - block + 1)
  const candidates = new Map<number, Uint8Array[]>()
  const byFirst = new Map<number, Uint8Array[]>()
  const longest = Math.max(...forms.map((form) => form.length))
  for (const form of forms) byFirst.set(form[0]!, [...(byFirst.get(form[0]!) ?? []), form])
  for (const form of [...forms].sort((one, other) => other.length - one.length)) {
    for (let end = block; end <= window; end++) {
      const code = codeAt(form, end - 1, block)
      jumps[code] = Math.min(jumps[code]!, window - end)
    }
    const code = codeAt(form, window - 1, block)
    candidates.set(code, [...(candidates.get(code) ?? []), form])
  }
  return {
    longest,
    next(buffer, from) {
      for (let last = from + window - 1; last < buffer.length; ) {
        const code = block === 2 ? (buffer[last - 1]! << 8) | buffer[last]! : buffer[last]!
        const jump = jumps[code]!
        if (jump > 0) {
          last += jump
          continue
        }
        const start = last - window + 1
        const form = candidates.get(code)?.find((one) => holdsAt(buffer, start, one))
        if (form !== undefined) return { start, end: start + form.length }
        last++
      }
      return undefined
    },
    tail(buffer) {
      for (let start = Math.max(0, buffer.length - longest + 1); start < buffer.length; start++) {
        if (byFirst.get(buffer[start]!)?.some((form) => form.length > buffer.length - start && beginsAt(buffer, start, form))) return start
      }
      return buffer.length
    },
  }
}

/** The bytes that end at `last` as a number: two, or one where a form has but one. */
function codeAt(bytes: Uint8Array, last: number, block: number): number {
  return block === 2 ? (bytes[last - 1]! << 8) | bytes[last]! : bytes[last]!
}

function holdsAt(buffer: Uint8Array, start: number, form: Uint8Array): boolean {
  return start + form.length <= buffer.length && beginsAt(buffer, start, form)
}

/** Whether what the buffer holds from `start`, to its end or the form's, is the form's beginning. */
function beginsAt(buffer: Uint8Array, start: number, form: Uint8Array): boolean {
  const length = Math.min(form.length, buffer.length - start)
  for (let index = 0; index < length; index++) if (buffer[start + index] !== form[index]) return false
  return true
}
