/**
 * What a JSON text says; undefined where it is none. A disk that lost power or was full leaves files that are empty or end in
 * the middle: one of them must not hide all others, nor end the builder with every tick.
 */
export function wholeJson(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
