import { basename } from 'node:path'
import type { Command } from 'commander'
import { commitNamed } from '../git/commit-named.ts'
import { gitWorld } from '../git/run-git.ts'
import { buildName } from '../model/build.ts'
import { readableLine } from '../model/readable.ts'
import { buildNamed } from './find-build.ts'
import { eventsAbout, type Event } from './events-about.ts'
import { openHome, type Home } from './open-home.ts'
import { localTime } from './show-time.ts'
import { paint, printJson, printLine, printTable } from './terminal.ts'
import { UserError } from './user-error.ts'

export function define(command: Command): void {
  command
    .argument('<what>', 'a commit (7 digits or more), a delivery id, an entry, a build, or what git takes for a commit here (HEAD, main~2)')
    .option('--json', 'as JSON: a list of events with entry, delivery, current decision, history and the reports that are not sent yet')
    .addHelpText('after', '\nTells what became of each event that names it, why, and how it came to that.\n\nExamples:\n  quern why 6dcb09b\n  quern why 72d3162e-cc78-11e3-81ab-4c9367dc0958     the X-GitHub-Delivery id\n  quern why example~app/12\n  quern why HEAD                                     the commit that is checked out in this directory')
    .action(why)
}

async function why(words: string, { json }: { json?: boolean }): Promise<void> {
  const home = openHome()
  const named = await eventsNamed(home, words)
  const commit = named.length === 0 ? await commitNamed(process.cwd(), words, gitWorld(process.env)) : undefined
  const events = commit === undefined ? named : await eventsAbout(home, commit)
  if (events.length === 0) {
    const what = readableLine(words) + (commit === undefined || commit === words ? '' : `, which is commit ${commit} here`)
    throw new UserError(`nothing was decided about ${what}: no delivery that names it was accepted or ignored${commit === undefined ? ', and git knows no commit of that name in this directory' : ''}. One with a wrong signature is only in the log: quern logs --receiver`)
  }
  if (json) printJson(events)
  else for (const [index, event] of events.entries()) tell(event, index > 0)
}

/** A path to an entry's file will do; deliveries of Patchwork hold slashes themselves. */
async function eventsNamed(home: Home, words: string): Promise<Event[]> {
  const build = buildNamed(home, words)
  const named = await eventsAbout(home, build === undefined ? words : buildName(build))
  return named.length === 0 && words.includes('/') ? eventsAbout(home, basename(words)) : named
}

function tell({ entry, delivery, repository, ref, commit_id: commit, current, history, unsent }: Event, further: boolean): void {
  const about = [repository, ref, commit?.slice(0, 10)].filter((word) => word !== undefined).join(' ')
  const names = [delivery && `delivery ${delivery}`, entry && `entry ${entry}`].filter((word) => word).join(', ')
  if (further) printLine('')
  printLine(`${paint('bold', readableLine(current.decision))}: ${readableLine(current.reason)}`)
  printLine(paint('dim', readableLine(`${about}${names === '' ? '' : ` (${names})`}`)))
  printTable(
    history.map(({ at, decision, reason, build }) => [localTime(at), decision, build ?? '', reason]),
    '  ',
  )
  for (const { build, publisher } of unsent) printLine(`  not sent yet: a report of ${build} (${publisher}) waits in outbox/; quern doctor says whether its server answers`)
}
