import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { writeAtomically } from '../disk/write.ts'
import { buildName, type BuildId } from '../model/build.ts'
import { readableLine } from '../model/readable.ts'
import { isTerminal, type Status } from '../model/verdict.ts'
import type { Listed } from '../queue/queue.ts'
import { buildNamed } from './find-build.ts'
import { openOwnHome, type Home } from './open-home.ts'
import { printJson, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'
import { userName } from './user-name.ts'

/** Milliseconds that it waits to see a build end: the builder looks twice a second, and a job may take its grace. */
const patience = 15_000

export function define(command: Command): void {
  command
    .argument('<build or entry>', '<pipeline>/<number>, or the name of an entry as quern queue lists it')
    .option('--json', 'as JSON: {"entry"} where that was dropped, else {"build", "status"}')
    .addHelpText('after', '\nA waiting entry is dropped. A build that runs is told to stop: its processes are ended, its verdict is cancelled, and\nnobody is mailed.\n\nExamples:\n  quern cancel example~app/12\n  quern cancel 1767225600.000001-0a1b2c3d.json')
    .action(cancel)
}

async function cancel(words: string, { json }: { json?: boolean }): Promise<void> {
  const home = openOwnHome()
  const build = buildNamed(home, words)
  if (build !== undefined) return tellEnd(build, await cancelBuild(home, build), json)
  const name = basename(words)
  const listed = await home.queue.find(name)
  if (listed === undefined) throw new UserError(`there is no build and no waiting entry ${readableLine(words)}: quern queue and quern builds list them`)
  if (listed.state === 'bad') throw new UserError(`${name} is not waiting: it was set aside in queue/bad (${listed.reason ?? 'unreadable'}); remove it with rm, or mend it and mv it back to queue/`)
  // An entry that was built already keeps its number, and its record must end, too.
  if (listed.build !== undefined) return tellEnd(listed.build, await cancelBuild(home, listed.build), json)
  await dropEntry(home, listed)
  if (json) printJson({ entry: name })
  else printLine(`Dropped ${name} from the queue.`)
}

async function dropEntry(home: Home, { entry, request }: Listed): Promise<void> {
  if (!(await home.queue.drop(entry))) throw new UserError(`${entry} is not waiting any more: a builder has just claimed it; quern builds shows its build, cancel that`)
  const { hook, delivery, repository, ref, commit_id } = request ?? {}
  home.ledger.decide({ decision: 'cancelled', reason: `dropped from the queue by ${userName()}`, hook, delivery, entry, repository, ref, commit_id })
}

/** The file is the whole message: the builder that runs the build, or the next one that claims it, ends it. Returns how far the build is then. */
async function cancelBuild({ records }: Home, build: BuildId): Promise<Status> {
  const name = buildName(build)
  const before = records.status(build)
  if (isTerminal(before)) throw new UserError(`build ${name} has ended already: ${before}`)
  writeAtomically(join(records.directory(build), 'cancel'), `cancelled by ${userName()}\n`)
  const end = Date.now() + patience
  while (before === 'RUNNING' && !isTerminal(records.status(build)) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100))
  return records.status(build) ?? 'QUEUED'
}

function tellEnd(build: BuildId, status: Status, json = false): void {
  const name = buildName(build)
  if (json) printJson({ build: name, status })
  else printLine(isTerminal(status) ? `Build ${name} has ended: ${status}.` : `Build ${name} is told to stop; the builder that has it, or the next tick, ends it.`)
}
