/** Characters of a line that are looked at; the rest of a longer one is passed over. */
const longest = 2000

/** Bytes of the chunk before that are kept, so that an error at the start of one has lines above it. */
const remembered = 8192

/** A line of a log as Latin-1 text, one character a byte, and its number from 1. */
export interface Line {
  text: string
  number: number
}

/**
 * Cuts a stream of bytes into lines, in constant memory whatever their length. What a carriage return overwrote is left
 * out. A chunk that `wanted` refuses is only counted; its last lines come with `passive` when the next wanted chunk does.
 */
export function openLines(wanted: (chunk: string) => boolean, onLine: (line: Line, passive: boolean) => void): { push(chunk: Uint8Array): void; end(): void } {
  let number = 1
  let rest = ''
  let skipped = ''
  return {
    push(chunk) {
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1')
      if (!wanted(`\n${rest}${text}`)) return skip(chunk, text)
      recall()
      const lines = (rest + text).split('\n')
      rest = shorten(lines.pop()!)
      for (const line of lines) onLine({ text: overwritten(line), number: number++ }, false)
    },
    end() {
      recall()
      if (rest !== '') onLine({ text: overwritten(rest), number }, false)
    },
  }

  function skip(chunk: Uint8Array, text: string): void {
    let breaks = 0
    for (let index = 0; index < chunk.length; index++) if (chunk[index] === 10) breaks++
    number += breaks
    const last = text.lastIndexOf('\n')
    // The flat copy lets go of the chunk.
    if (last >= 0) skipped = `${skipped === '' ? '' : `${skipped}\n`}${rest}${text.slice(0, last)}`.slice(-remembered)
    rest = shorten(last < 0 ? rest + text : text.slice(last + 1))
  }

  function recall(): void {
    if (skipped === '') return
    const lines = skipped.split('\n')
    skipped = ''
    lines.forEach((text, index) => onLine({ text: overwritten(text), number: number - lines.length + index }, true))
  }
}

/** A line that is not complete yet: its start and, for progress bars, what the last carriage return left. */
function shorten(text: string): string {
  if (text.length <= longest) return text
  const last = text.lastIndexOf('\r')
  return (last < 0 ? text : text.slice(last)).slice(0, longest)
}

/** What a terminal would show of the line. */
function overwritten(text: string): string {
  const trimmed = text.replace(/\r+$/, '')
  return trimmed.slice(trimmed.lastIndexOf('\r') + 1).slice(0, longest)
}
