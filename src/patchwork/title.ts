/** What the square brackets before a subject say: `[FFmpeg-devel,v2,2/3] area: text`. */
export interface Title {
  /** The subject without them, in one form for comparison. */
  text: string
  /** 2 and 3 for `2/3`; both 1 for a single patch. */
  n: number
  of: number
}

export function readTitle(name: string): Title {
  const brackets = /^(?:\s*\[[^\]]*\])*/.exec(name)![0]
  // As the server reads them: `[PATCH1/2]` and `[1 of 2]` are in use, too.
  const [, n = '1', of = '1'] = /(\d{1,4})(?:\/| of )(\d{1,4})[\],\s]/.exec(brackets) ?? []
  const text = name.slice(brackets.length).replace(/\s+/g, ' ').trim().toLowerCase()
  return { text, n: Number(n), of: Number(of) }
}

/** The parts of a series that did not come, as `2/3`. */
export function missingParts(names: string[], total: number): string[] {
  const present = new Set(names.map((name) => readTitle(name).n))
  const all = Array.from({ length: total }, (_, index) => index + 1)
  return all.filter((n) => !present.has(n)).map((n) => `${n}/${total}`)
}
