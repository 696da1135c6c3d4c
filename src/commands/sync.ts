import { join } from 'node:path'
import type { Command } from 'commander'
import { openMirrors } from '../git/mirrors.ts'
import { gitWorld } from '../git/run-git.ts'
import { readable } from '../model/readable.ts'
import { readJobDefinitions } from '../plan/read-job-definitions.ts'
import { syncJobDefinitions, type Synced } from '../plan/sync-job-definitions.ts'
import { openConfig, type QuernConfig } from './open-config.ts'
import { requireOwnHome } from './open-home.ts'
import { jobDefinitions } from './plan-settings.ts'
import { paint, printJson, printLine, printTable } from './terminal.ts'

export function define(command: Command): void {
  command
    .option('--json', 'as JSON')
    .option('-q, --quiet', 'say nothing where nothing was new, for cron')
    .addHelpText('after', "\nBrings job-defs, a git clone, to where its branch is on the server, and checks what is new. Records of removed jobs stay until their retention ends.\n\nCrontab:\n  */5 * * * * QUERN_HOME=/path/to/home /path/to/bin/quern sync --quiet")
    .action(sync)
}

async function sync({ json, quiet }: { json?: boolean; quiet?: boolean }): Promise<void> {
  const config = await openConfig()
  requireOwnHome(config.home)
  const synced = await syncJobDefinitions(settingsOf(config))
  const { problems } = await readJobDefinitions(jobDefinitions(config.home))
  if (json) printJson({ ...synced, problems })
  // Cron mails what is said: a mistake with the change that brought it, not every five minutes until somebody mends it.
  else if (!quiet || synced.before !== synced.after) {
    tell(synced)
    for (const problem of problems) process.stderr.write(`${readable(problem)}\n`)
  }
  if (problems.length > 0) process.exitCode = 1
}

function settingsOf({ home, settings, environment }: QuernConfig): Parameters<typeof syncJobDefinitions>[0] {
  const env = gitWorld(environment)
  return {
    directory: jobDefinitions(home),
    // The administrator chose this clone's remote; it may be a path of this host.
    mirrors: openMirrors(join(home, 'cache/git'), { env, localPaths: true }),
    env,
    token: { token: settings.CLONE_TOKEN, host: settings.CLONE_TOKEN_HOST },
  }
}

function tell({ before, after, files }: Synced): void {
  if (before === after) return printLine('job-defs is up to date.')
  printLine(`${paint('green', 'Updated')} job-defs from ${before.slice(0, 10)} to ${after.slice(0, 10)}.`)
  if (files.length > 0) printTable(files.map(({ change, file }) => [change, file.replace(/\.ya?ml$/, '')]))
}
