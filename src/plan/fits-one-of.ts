import picomatch from 'picomatch'

/** Whether one of the globs fits the name; without globs, none does. */
export function fitsOneOf(name: string, globs: string[]): boolean {
  return globs.length > 0 && picomatch.isMatch(name, globs, { dot: true, nonegate: true })
}
