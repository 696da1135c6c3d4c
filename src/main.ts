import { Command } from 'commander'

const program = new Command('quern')
  .description('Self-hosted continuous integration that fits in one directory.')
  .showHelpAfterError('(quern --help lists the commands)')
program.parse()
