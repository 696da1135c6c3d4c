import * as v from 'valibot'

// Settings are text, as environment.sh holds them. These schemas are the kinds of them that rooms share.

/** A whole number. */
export function wholeNumber({ min, max }: { min: number; max: number }) {
  const message = `expected a whole number from ${min} to ${max}`
  return v.pipe(
    v.string(),
    v.regex(/^\d{1,15}$/, message),
    v.transform(Number),
    v.check((number) => number >= min && number <= max, message),
  )
}

/** `1` or `0`. */
export const flag = v.pipe(
  v.picklist(['1', '0'], 'expected 1 (yes) or 0 (no)'),
  v.transform((text) => text === '1'),
)

/** Words with commas or blanks between. */
export const list = v.pipe(
  v.string(),
  v.transform((text) => text.split(/[\s,]+/).filter((word) => word !== '')),
)
