import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { commands } from './commands/commands.ts'
import { homeDirectory, installation } from './config/home.ts'

/** Errors whose message alone tells the person what to do. */
const explained = new Set(['CheckoutError', 'ConfigError', 'GitError', 'PipelineError', 'PlanError', 'RequestError', 'SecretsError', 'UserError', 'YamlError'])

process.stdout.on('error', leaveWithReader)
void main()

async function main(): Promise<void> {
  try {
    const program = await defineProgram(process.argv.slice(2))
    await program.parseAsync()
  } catch (error) {
    process.exitCode = await tell(error)
  }
}

/** Only the command that is asked for is loaded: the builder starts each minute and must start fast. */
async function defineProgram(words: string[]): Promise<Command> {
  const program = new Command('quern')
    .description('Self-hosted continuous integration that fits in one directory.')
    .version((JSON.parse(readFileSync(join(installation(), 'package.json'), 'utf8')) as { version: string }).version)
    .addHelpText('after', '\nExit codes: 0 all is well; 1 a build failed or something is wrong; 2 a mistake in the command, the settings or a file.')
    .showHelpAfterError('(add --help for what it takes)')
    .exitOverride()
  const [first, second] = words.filter((word) => !word.startsWith('-'))
  const asked = first === 'help' ? second : first
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).description(summary)
    if (name === asked) (await load()).define(command)
  }
  return program
}

/** Tells the person and returns the exit code. */
async function tell(error: unknown): Promise<number> {
  // commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Error && explained.has(error.name)) {
    process.stderr.write(`quern: ${error.message}\n`)
    return 2
  }
  process.stderr.write(`quern: ${error instanceof Error ? error.message : String(error)}\n${await logged(error)}\n`)
  return 1
}

/** Keeps the stack of an error that nobody foresaw, and says where. */
async function logged(error: unknown): Promise<string> {
  const path = join(homeDirectory(), 'logs/build.log')
  try {
    const { openLog } = await import('./log/open-log.ts')
    openLog(path).error({ err: error, command: process.argv.slice(2, 3).join('') }, 'the command ended by an error that is not expected')
    return `(the details are in ${path})`
  } catch {
    return error instanceof Error ? (error.stack ?? '') : ''
  }
}

/** `quern builds | head` closes the pipe early, which is no error. */
function leaveWithReader(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}
