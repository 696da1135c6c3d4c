import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { homeDirectory, installation } from '../config/home.ts'
import { isCode } from '../disk/read.ts'
import { makeDirectory } from '../disk/write.ts'
import { cronLine, launcherFor, programFor, shellWord } from './cron-line.ts'
import { homeDirectories } from './home-directories.ts'
import { paint, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'
import { userName } from './user-name.ts'

export function define(command: Command): void {
  command
    .argument('[directory]', 'where to make the home; without it, QUERN_HOME or the checkout itself')
    .addHelpText('after', '\nExamples:\n  quern init /var/lib/quern    a home of its own, which upgrades cannot touch\n  quern init                   the checkout itself')
    .action((directory: string | undefined) => init(directory === undefined ? homeDirectory() : resolve(directory)))
}

function init(home: string): void {
  if (existsSync(join(home, 'environment.sh'))) throw new UserError(`${home} is a home already (it has an environment.sh): nothing was changed. Edit that file, or choose another directory`)
  // git takes the line break for the end of a path, and what loads pipelines the backslash for a slash.
  if (/[\\\r\n]/.test(home)) throw new UserError(`cannot make a home in ${JSON.stringify(home)}: checkouts and pipeline files could not be read there. Choose a directory whose path has neither a backslash nor a line break`)
  makeHome(home)
  printLine(`${paint('green', 'Made')} the Quern home ${home}`)
  printLine(nextSteps(home))
}

/** environment.sh comes last: a home that has one is whole. */
function makeHome(home: string): void {
  try {
    // What builds print and artifacts hold is for this user; a directory that was there has the mode that somebody chose.
    if (!existsSync(home)) chmodSync(makeWithParents(home), 0o700)
    for (const name of homeDirectories) makeDirectory(join(home, name))
    if (!existsSync(join(home, 'quern.yaml'))) copyFileSync(join(installation(), 'examples/quern.yaml'), join(home, 'quern.yaml'))
    writeFileSync(join(home, 'environment.sh'), settingsWith(randomBytes(32).toString('hex')), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if (['EACCES', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST', 'ELOOP', 'ENAMETOOLONG'].some((code) => isCode(error, code))) {
      throw new UserError(`cannot make a home in ${home}: ${(error as Error).message}. Choose a directory that you may write to${isCode(error, 'EACCES') ? `, or have root make it: install -d -o ${userName()} -m 700 ${shellWord(home)}` : ''}`, { cause: error })
    }
    throw error
  }
}

/** Node's own tries for ever where nothing can be made in a directory that is there, as in /proc. A link that leads nowhere is in the way. */
function makeWithParents(path: string): string {
  if (!existsSync(dirname(path))) makeWithParents(dirname(path))
  mkdirSync(path)
  return path
}

function settingsWith(secret: string): string {
  return readFileSync(join(installation(), 'environment.example.sh'), 'utf8').replace('export SECRET=""', `export SECRET="${secret}"`)
}

function nextSteps(home: string): string {
  return `
Next:
  1. Look through ${join(home, 'environment.sh')} (SMTP_URL, MAIL_ADMIN, CLONE_BASE).
  2. crontab -e, and add this line, which builds what waits:
       ${cronLine(home)}
  3. Start the receiver (docs/set-up.md has a systemd unit):
       ${programFor(home, 'start-webhook.sh')}
  4. In the repository's settings on the forge, add a webhook:
       URL           http://${hostname()}:8196/webhook/amp_main
       Content type  application/json
       Secret        the SECRET in ${join(home, 'environment.sh')}
       Events        pushes (and pull requests)
  5. See whether all is well:
       ${launcherFor(home)} doctor`
}
