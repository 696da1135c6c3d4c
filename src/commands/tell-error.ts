import { join } from 'node:path'
import { CommanderError } from 'commander'
import { homeDirectory } from '../config/home.ts'
import { readable } from '../model/readable.ts'
import { remedyOf } from './system-trouble.ts'

/** Errors whose message alone tells the person what to do. */
const explained = new Set(['CheckoutError', 'ConfigError', 'GitError', 'PipelineError', 'PlanError', 'RequestError', 'SecretsError', 'UserError', 'YamlError'])

/** Tells the person and returns the exit code. */
export async function tellError(error: unknown): Promise<number> {
  // commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const message = error instanceof Error ? error.message : String(error)
  const isMistake = error instanceof Error && explained.has(error.name)
  const remedy = isMistake ? undefined : remedyOf(error)
  process.stderr.write(`quern: ${errorWords(message)}${remedy === undefined ? '' : `: ${remedy}`}\n`)
  if (isMistake) return 2
  if (remedy === undefined) process.stderr.write(`${await logged(error)}\n`)
  return 1
}

/** Characters of a message that are shown. What was asked stands at its beginning, the remedy at its end. */
const longest = 4000

/** A message that repeats words of anybody, so that these neither steer the terminal nor fill it. */
export function errorWords(message: string): string {
  const words = readable(message)
  return words.length <= longest ? words : `${words.slice(0, longest / 2)} … ${words.slice(-longest / 2)}`
}

/** Keeps the stack of an error that nobody foresaw, and says where. */
async function logged(error: unknown): Promise<string> {
  const path = join(homeDirectory(), 'logs/build.log')
  try {
    const { openLog } = await import('../log/open-log.ts')
    openLog(path).error({ err: error, command: process.argv.slice(2, 3).join('') }, 'the command ended by an error that is not expected')
    return `(the details are in ${path})`
  } catch {
    return error instanceof Error ? errorWords(error.stack ?? '') : ''
  }
}
