import type { Secrets } from './read-secrets.ts'
import { SecretsError } from './secrets-error.ts'

/** Secrets as lines `NAME=value` for an editor; a line break within a value stands as `\n`. */
export function plainText(secrets: Secrets): string {
  const help = '# One secret a line: NAME=value, without quotes; \\n stands for a line break within a value.\n'
  return help + [...secrets].map(([name, value]) => `${name}=${value.replaceAll('\n', '\\n')}\n`).join('')
}

/** Reads such lines back. @throws {SecretsError} by the line's number, without the value */
export function parsePlain(text: string): Secrets {
  const secrets = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const at = line.indexOf('=')
    if (at < 1) throw new SecretsError(`line ${index + 1}: expected NAME=value; nothing was changed`)
    const name = line.slice(0, at).trim()
    if (secrets.has(name)) throw new SecretsError(`line ${index + 1}: ${name} stands there twice; nothing was changed`)
    secrets.set(name, line.slice(at + 1).replaceAll('\\n', '\n'))
  }
  return secrets
}
