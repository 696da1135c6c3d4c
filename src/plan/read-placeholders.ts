import { PlanError } from './plan-error.ts'
import type { LiteralSpan } from './scan-quotes.ts'

/** amp_ci's way to write `${X}`: its chunks went through Python's str.format, where a doubled brace is one. */
const doubledBraces = /\$\{\{(?=[#!]?(?:[A-Za-z_]\w*|[0-9@*#?$!-])(?:\}\}|[:=+?#%/^,@[-]))/

const names = 'repository|commit_id|ref|committer_name|committer_email'

/** A placeholder, but neither after a `$` nor in doubled braces of its own, as in `--format '{{ref}}'`. */
const placeholder = new RegExp(`(?<!\\$)(?<!\\{(?=\\{(?:${names})\\}\\}))\\{(${names})\\}`)

const tokens = new RegExp(`${doubledBraces.source}|${placeholder.source}|\\}\\}`, 'g')

/**
 * Reads amp_ci's placeholders as the environment variables that hold the values: `{ref}` as `${REF}`, `${{X}}` as `${X}`.
 * No value is pasted. In single quotes, where nothing expands, the quotes are closed around the variable.
 * Every other brace stays as it is. `literals` is what `scanQuotes` found in the same text.
 * @throws {PlanError} for a placeholder in a quoted here-document, where no variable can be put
 */
export function readPlaceholders(text: string, literals: LiteralSpan[]): string {
  let doubled = 0
  return text.replace(tokens, (token, name: string | undefined, offset: number) => {
    if (name !== undefined) return variable(name, literals.find(({ start, end }) => start <= offset && offset < end), () => text.slice(0, offset).split('\n').length)
    if (token === '${{') doubled += 1
    else if (doubled === 0) return token
    else doubled -= 1
    return token === '${{' ? '${' : '}'
  })
}

function variable(name: string, literal: LiteralSpan | undefined, line: () => number): string {
  const upper = name.toUpperCase()
  if (literal === undefined) return `\${${upper}}`
  if (literal.kind === 'single quotes') return `'"\${${upper}}"'`
  if (literal.kind === "$'' quotes") return `'"\${${upper}}"$'`
  throw new PlanError(
    `line ${line()}: {${name}} stands in a here-document with a quoted delimiter, where bash expands nothing; ` +
      `take the quotes off the delimiter, or read the environment variable ${upper} there`,
  )
}
