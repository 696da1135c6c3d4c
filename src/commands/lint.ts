import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { readable } from '../model/readable.ts'
import { lint as lintAll } from '../plan/lint.ts'
import { openConfig } from './open-config.ts'
import { requireHome } from './open-home.ts'
import { jobDefinitions, planSettings } from './plan-settings.ts'
import { printJson, printLine } from './terminal.ts'

export function define(command: Command): void {
  command
    .option('--json', 'as JSON: {"jobs": […], "chunks": […], "problems": […]}')
    .addHelpText('after', '\nChecks every job definition below job-defs and every script chunk. A mistake is told as <file>:<line>: <key>: <what was expected>; then the exit code is 1.')
    .action(lint)
}

async function lint({ json }: { json?: boolean }): Promise<void> {
  const config = await openConfig()
  // A clone of job definitions can be checked by itself, in a directory that is no home.
  if (!existsSync(jobDefinitions(config.home))) requireHome(config.home)
  const linted = await lintAll(planSettings(config))
  const { jobs, chunks, problems } = linted
  if (json) printJson(linted)
  else for (const problem of problems) printLine(readable(problem))
  if (!json && problems.length === 0) printLine(`No mistake in ${count(jobs, 'job definition')} and ${count(chunks, 'script chunk')}.`)
  if (problems.length > 0) process.exitCode = 1
}

function count(list: string[], what: string): string {
  return `${list.length} ${what}${list.length === 1 ? '' : 's'}`
}
