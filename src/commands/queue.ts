import type { Command } from 'commander'
import { buildName } from '../model/build.ts'
import type { Listed } from '../queue/queue.ts'
import { openHome } from './open-home.ts'
import { printJson, printLine, printTable } from './terminal.ts'

export function define(command: Command): void {
  command
    .option('--json', 'as JSON: a list of entries with state, request, build and reason')
    .addHelpText('after', '\nOldest first: what is being built or begins next (claimed), what waits, what waits for an empty queue (low), and what could not be read (bad).\nThe last column names the build, or says why the file is no request.\nThe entries are files: queue/*, queue/claimed/*, queue/low/*, queue/bad/*.')
    .action(async ({ json }: { json?: boolean }) => {
      const { home, queue } = openHome()
      const entries = await queue.list()
      if (json) printJson(entries)
      else if (entries.length === 0) printLine(`Nothing waits in ${home}, and nothing is built.`)
      else printTable([['STATE', 'ENTRY', 'REPOSITORY', 'REF', 'COMMIT', 'COMMITTER', 'BUILD'], ...entries.map(row)])
    })
}

function row({ state, entry, request, build, reason }: Listed): string[] {
  const note = build === undefined ? (reason ?? '') : buildName(build)
  return [state, entry, request?.full_name ?? request?.repository ?? '', request?.ref ?? '', request?.commit_id.slice(0, 10) ?? '', request?.committer_name ?? '', note]
}
