import type { Command } from 'commander'
import { buildName } from '../model/build.ts'
import { isTerminal } from '../model/verdict.ts'
import { findBuild, requestOf } from './find-build.ts'
import { openOwnHome } from './open-home.ts'
import { printJson, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'
import { userName } from './user-name.ts'

export function define(command: Command): void {
  command
    .argument('<build>', '<pipeline>/<number>')
    .option('--fresh', 'execute all of it again, taking no verdict from earlier builds')
    .option('--json', 'as JSON: {"entry"}')
    .addHelpText('after', '\nPuts the request of that build into the queue again, as a new entry with "retry_of". The next tick builds it.\n\nExample:\n  quern retry example~app/12')
    .action(retry)
}

async function retry(words: string, { fresh, json }: { fresh?: boolean; json?: boolean }): Promise<void> {
  const home = openOwnHome()
  const build = findBuild(home, words)
  const name = buildName(build)
  const status = home.records.status(build)
  if (!isTerminal(status)) throw new UserError(`build ${name} has not ended (${status ?? 'QUEUED'}): nothing to repeat yet; quern cancel ${name} ends it`)
  // A new event, not the old delivery once more: with its id the queue would know it as a duplicate.
  const { delivery: _, fresh: _fresh, ...request } = requestOf(home, build)
  const { entry } = await home.queue.enqueue({ ...request, received: new Date().toISOString(), retry_of: name, ...(fresh && { fresh }) })
  const { hook, repository, ref, commit_id } = request
  home.ledger.decide({ decision: 'queued', reason: `retry of ${name}, asked for by ${userName()}`, hook, entry, repository, ref, commit_id })
  if (json) printJson({ entry })
  else printLine(`Queued as ${entry}; the next tick builds it, or "quern build" does at once.`)
}
