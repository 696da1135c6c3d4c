import { existsSync } from 'node:fs'
import { InvalidArgumentError, type Command } from 'commander'
import { buildName, type BuildId, type BuildResult } from '../model/build.ts'
import { statusOf, type Status } from '../model/verdict.ts'
import { resultsNewestFirst } from '../record/read-index.ts'
import { openHome, openOwnHome, type Home } from './open-home.ts'
import { remakeIndex } from './remake-index.ts'
import { localTime, took } from './show-time.ts'
import { printJson, printLine, printTable, type Cell } from './terminal.ts'
import { UserError } from './user-error.ts'
import { statusCell } from './verdict-style.ts'

interface Options {
  limit: number
  reindex?: boolean
  json?: boolean
}

/** A build that is not decided yet. */
interface Running extends BuildId {
  status: Status
  entry: string
  repository?: string | undefined
  full_name?: string | undefined
  ref?: string | undefined
  commit_id?: string | undefined
}

export function define(command: Command): void {
  command
    .argument('[pipeline]', 'only this pipeline, named as its directory under builds/')
    .option('-n, --limit <number>', 'how many finished builds', positive, 20)
    .option('--reindex', 'first make builds/index.jsonl anew from the records')
    .option('--json', 'as JSON: {"running": […], "finished": […]}, a finished one as in its result.json')
    .addHelpText('after', '\nExamples:\n  quern builds                  what runs, and the newest twenty builds\n  quern builds example~app -n 5\n  quern builds --json | jq -r \'.finished[] | select(.verdict == "failed") | .commit_id\'')
    .action(builds)
}

async function builds(words: string | undefined, { limit, reindex, json }: Options): Promise<void> {
  const home = reindex ? openOwnHome() : openHome()
  if (reindex && !remakeIndex(home.home)) throw new UserError('a builder is at work and adds to builds/index.jsonl: try again when it has ended')
  // owner/name is kept as owner~name; a shell that completes directories adds a slash.
  const pipeline = words?.replace(/\/+$/, '').replaceAll('/', '~')
  const wanted = (build: BuildId) => pipeline === undefined || build.pipeline === pipeline
  const running = (await runningBuilds(home)).filter(wanted)
  const finished = newest(home, wanted, limit)
  if (json) printJson({ running, finished })
  else if (running.length + finished.length === 0) printLine(pipeline === undefined ? `There are no builds in ${home.home} yet.` : 'There are no builds of that pipeline.')
  else printTable([['BUILD', 'STATUS', 'REPOSITORY', 'REF', 'COMMIT', 'ENDED', 'TOOK'], ...running.map(runningRow), ...finished.map(finishedRow)])
}

/** The index is not made anew while a builder adds to it, so it may still name records that were pruned. */
function newest({ home, records }: Home, wanted: (build: BuildId) => boolean, limit: number): BuildResult[] {
  const results: BuildResult[] = []
  for (const result of resultsNewestFirst(home)) {
    if (results.length === limit) break
    if (wanted(result) && existsSync(records.directory(result))) results.push(result)
  }
  return results
}

/** What is claimed; an entry between its claim and its record is about to begin. */
async function runningBuilds({ queue, records }: Home): Promise<Running[]> {
  return (await queue.list()).flatMap(({ entry, build, request }) => {
    if (build === undefined) return []
    const { repository, full_name: fullName, ref, commit_id: commit } = request ?? {}
    return [{ ...build, status: records.status(build) ?? 'QUEUED', entry, repository, full_name: fullName, ref, commit_id: commit }]
  })
}

function runningRow(build: Running): (string | Cell)[] {
  return [buildName(build), statusCell(build.status), build.full_name ?? build.repository ?? '', build.ref ?? '', build.commit_id?.slice(0, 10) ?? '', '', '']
}

function finishedRow(result: BuildResult): (string | Cell)[] {
  return [buildName(result), statusCell(statusOf(result.verdict)), result.full_name ?? result.repository, result.ref, result.commit_id.slice(0, 10), localTime(result.ended), took(result)]
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 1.')
  return Number(text)
}
