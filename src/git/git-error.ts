import { readable } from '../model/readable.ts'

/** Git, or its way to the server, failed. The message says what was being done and repeats git's own words. */
export class GitError extends Error {
  override name = 'GitError'
  /** Git's exit code; absent where it was ended or could not start. */
  code: number | undefined
  /** What git said, readable, without credentials. */
  words: string

  constructor(doing: string, came: { words: string; code?: number | undefined; how?: string }) {
    super(`${doing}: ${came.how ?? `git exited with ${came.code}`}${came.words === '' ? '' : `: ${came.words}`}`)
    this.code = came.code
    this.words = came.words
  }
}

/** The commit, or something that belongs to it, cannot be had: the build is errored with this reason. */
export class CheckoutError extends Error {
  override name = 'CheckoutError'
}

/** The most of git's words that a message repeats, in characters: of a line both ends, of the lines the last ones, where the reason stands. */
const longestLine = 400
export const longestWords = 2000

/** What git printed, fit for a message: readable, the end of it, without progress, credentials or the token. */
export function gitWords(printed: string, token: string | undefined): string {
  const hidden = token === undefined || token === '' ? printed : printed.replaceAll(token, '***')
  return readable(hidden)
    .replace(/(:\/\/)[^/@\s]+@/g, '$1***@')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(?:remote: )?(?:Cloning into|Counting|Compressing|Enumerating|Receiving|Resolving|hint:)/.test(line))
    .map((line) => (line.length > longestLine ? `${line.slice(0, longestLine / 2)}…${line.slice(-longestLine / 2)}` : line))
    .join('; ')
    .slice(-longestWords)
}
