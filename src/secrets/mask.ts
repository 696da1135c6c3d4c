import { createFinder, type Finder } from './find-forms.ts'
import { secretForms } from './secret-forms.ts'

/** Hides secrets in a stream of bytes. */
export interface Masker {
  /**
   * What of the output so far can be shown, secrets as `***`. Bytes at the end that may be the beginning of a secret
   * are kept back until it is known; nothing else is, so that a log can be followed live. The result may be the
   * chunk's own memory.
   */
  mask(chunk: Uint8Array): Uint8Array
  /** What was kept back, at the end of the output. */
  flush(): Uint8Array
}

const stars = Buffer.from('***')
const nothing = new Uint8Array(0)

/** A masker for one stream. Without secrets it hands every chunk through. */
export function createMasker(secrets: Iterable<string>): Masker {
  const forms = secretForms(secrets)
  return forms.length === 0 ? { mask: (chunk) => chunk, flush: () => nothing } : searching(createFinder(forms))
}

/** A text with its secrets hidden, for mails, records and names. */
export function maskText(text: string, secrets: Iterable<string>): string {
  const { mask, flush } = createMasker(secrets)
  const shown = Buffer.from(mask(Buffer.from(text)))
  return Buffer.concat([shown, flush()]).toString()
}

/**
 * Overlapping secrets become one mask. A mask may reach into the bytes that are kept back: it is shown, and how many of
 * them it covers is remembered.
 */
function searching(finder: Finder): Masker {
  let kept: Uint8Array = nothing
  let covered = 0

  function advance(buffer: Uint8Array, limit: number): Uint8Array {
    const pieces: Uint8Array[] = []
    let shown = covered
    for (let found = finder.next(buffer, 0); found !== undefined && found.start < limit; found = finder.next(buffer, found.start + 1)) {
      if (found.start >= shown) pieces.push(buffer.subarray(shown, found.start), stars)
      shown = Math.max(shown, found.end)
    }
    if (shown < limit) pieces.push(buffer.subarray(shown, limit))
    covered = Math.max(0, shown - limit)
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  return {
    mask(chunk) {
      const buffer = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
      const limit = finder.tail(buffer)
      const shown = advance(buffer, limit)
      kept = limit === buffer.length ? nothing : Buffer.from(buffer.subarray(limit))
      return shown
    },
    flush() {
      const shown = advance(kept, kept.length)
      kept = nothing
      return shown
    },
  }
}
