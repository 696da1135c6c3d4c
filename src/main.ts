import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { commands } from './commands/commands.ts'
import { errorWords, tellError } from './commands/tell-error.ts'
import { installation } from './config/home.ts'

process.stdout.on('error', leaveWithReader)
void main()

async function main(): Promise<void> {
  try {
    const program = await defineProgram(process.argv.slice(2))
    await program.parseAsync()
  } catch (error) {
    process.exitCode = await tellError(error)
  }
}

/** Only the command that is asked for is loaded: the builder starts each minute and must start fast. */
async function defineProgram(words: string[]): Promise<Command> {
  const program = new Command('quern')
    .description('Self-hosted continuous integration that fits in one directory.')
    .version((JSON.parse(readFileSync(join(installation(), 'package.json'), 'utf8')) as { version: string }).version)
    .addHelpText('after', '\nExit codes: 0 all is well; 1 a build failed or something is wrong; 2 a mistake in the command, the settings or a file.')
    .showHelpAfterError('(add --help for what it takes)')
    .configureOutput({ outputError: (message, write) => write(errorWords(message)) })
    .exitOverride()
  const [first, second] = words.filter((word) => !word.startsWith('-'))
  const asked = first === 'help' ? second : first
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).description(summary)
    if (name === asked) (await load()).define(command)
  }
  return program
}

/** `quern builds | head` closes the pipe early, which is no error of its own; a file on a full disk is one. */
function leaveWithReader(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  process.stderr.write(`quern: what is printed cannot be written: ${error.message}\n`)
  process.exit(1)
}
