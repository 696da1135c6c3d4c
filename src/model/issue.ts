import * as v from 'valibot'
import { readableLine } from './readable.ts'

/** Values under such names are never shown. */
const secretive = /secret|token|pass|key|url|auth/i

/** An address with a password in it is never shown, whatever its name. */
const withPassword = /:\/\/[^/\s]*:[^/\s]*@/

/**
 * What was expected and what came, for the person who wrote it. The value of a name that sounds like a secret is left out, and one that holds a password.
 * @param name the setting or key, where the issue's own path does not hold it
 */
export function describeIssue(issue: v.BaseIssue<unknown>, name = lastKey(issue)): string {
  if (issue.message.startsWith('Invalid ')) {
    if (issue.received === 'undefined') return 'is missing'
    return `expected ${expectedOf(issue)}, got ${secretive.test(name) ? 'something else' : readableLine(issue.received).slice(0, 100)}`
  }
  const shown = typeof issue.input === 'string' && !secretive.test(name) && !withPassword.test(issue.input) ? `, got ${JSON.stringify(readableLine(issue.input).slice(0, 100))}` : ''
  return `${issue.message}${shown}`
}

function expectedOf(issue: v.BaseIssue<unknown>): string {
  const plain: Record<string, string> = { string: 'text', number: 'a number', boolean: 'true or false', Array: 'a list', Object: 'a map' }
  return plain[issue.expected ?? ''] ?? issue.expected ?? 'something else'
}

function lastKey(issue: v.BaseIssue<unknown>): string {
  return String(issue.path?.findLast((item) => typeof item.key === 'string')?.key ?? '')
}
