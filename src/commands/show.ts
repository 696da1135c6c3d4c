import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Option, type Command } from 'commander'
import { readIfThere } from '../disk/read.ts'
import { holdOf } from '../build/blame/hold.ts'
import { ConfigError } from '../config/config-error.ts'
import { pageAddress } from '../model/address.ts'
import { buildName, type Blame, type BuildId, type BuildResult, type RunResult } from '../model/build.ts'
import type { Plan } from '../model/plan.ts'
import { readableLine } from '../model/readable.ts'
import type { Request } from '../model/request.ts'
import { isTerminal, type Status } from '../model/verdict.ts'
import { wholeJson } from '../model/whole-json.ts'
import { listRuns, type ListedRun } from '../record/list-runs.ts'
import { lastLines, printConsole } from './console-output.ts'
import { findBuild, requestOf } from './find-build.ts'
import { openHome, type Home } from './open-home.ts'
import { localTime, took } from './show-time.ts'
import { paint, printJson, printLine, printTable } from './terminal.ts'
import { UserError } from './user-error.ts'
import { statusCell } from './verdict-style.ts'

interface Options {
  log?: boolean
  run?: string
  report?: 'text' | 'markdown'
  json?: boolean
}

interface Shown {
  home: string
  build: BuildId
  directory: string
  status: Status
  request: Request
  /** Absent while it runs. */
  result: BuildResult | undefined
  /** Where people see it, where this server has a public address. */
  page: string | undefined
  runs: ShownRun[]
}

interface ShownRun extends ListedRun {
  /** The directory of what it left, where it left something. */
  artifacts: string | undefined
}

/** Lines of the console that are shown under the facts. */
const excerpt = 20

export function define(command: Command): void {
  command
    .argument('<build>', '<pipeline>/<number>')
    .option('--log', 'print the whole console log, of several runs each under its name')
    .option('--run <name>', 'only this run')
    .addOption(new Option('--report <form>', 'the report of a build that has ended').choices(['text', 'markdown']))
    .option('--json', 'as JSON: {"build", "directory", "page", "status", "request", "result", "runs"}')
    .addHelpText('after', '\nExamples:\n  quern show example~app/12\n  quern show example~app/12 --log | less\n  quern show example~app/12 --report markdown > report.md\n\nThe record is a directory: builds/<pipeline>/<number>/.')
    .action(show)
}

async function show(words: string, { log, run, report, json }: Options): Promise<void> {
  const shown = look(openHome(), words, { run, publicUrl: await publicUrl() })
  if (report) await printReport(shown, report)
  else if (log) await printLogs(shown.runs)
  else if (json) printJson(asJson(shown))
  else tell(shown)
}

/** The same data in the same words, for a terminal or a page that shows Markdown. */
async function printReport({ result, build, directory, status }: Shown, form: 'text' | 'markdown'): Promise<void> {
  if (result === undefined && isTerminal(status)) throw new UserError(`${buildName(build)} has no report: ${join(directory, 'result.json')} is missing or torn`)
  if (result === undefined) throw new UserError(`${buildName(build)} has not ended: it has no report yet`)
  const [{ reportSource }, { textReport }, { markdownReport }] = await Promise.all([import('../report/report-source.ts'), import('../report/text.ts'), import('../report/markdown.ts')])
  const plan = (wholeJson(readIfThere(join(directory, 'plan.json'))) ?? undefined) as Plan | undefined
  const source = await reportSource({ result, directory, plan })
  printLine((form === 'text' ? textReport(source) : markdownReport(source)).trimEnd())
}

/** A single log as it is, byte by byte; several each under the name of its run, as head and tail name files. */
async function printLogs(runs: ListedRun[]): Promise<void> {
  const begun = runs.filter(({ console }) => existsSync(console))
  for (const [index, { name, console }] of begun.entries()) {
    if (begun.length > 1) printLine(`${index > 0 ? '\n' : ''}==> ${readableLine(name)} <==`)
    await printConsole(console)
  }
}

function asJson({ build, directory, page, status, request, result, runs }: Shown) {
  return { build: buildName(build), directory, page, status, request, result, runs }
}

/** Records are shown whatever is wrong with the settings. */
async function publicUrl(): Promise<string | undefined> {
  try {
    const { openConfig } = await import('./open-config.ts')
    return (await openConfig()).settings.PUBLIC_URL
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}

function look(home: Home, words: string, { run: wanted, publicUrl }: { run: string | undefined; publicUrl: string | undefined }): Shown {
  const build = findBuild(home, words)
  const directory = home.records.directory(build)
  const result = home.records.result(build)
  const runs = listRuns(directory, result?.runs)
  const chosen = runs.filter(({ name }) => wanted === undefined || name === wanted)
  if (wanted !== undefined && chosen.length === 0) throw new UserError(`build ${buildName(build)} has no run "${wanted}": expected one of ${runs.map(({ name }) => name).join(', ')}`)
  const withArtifacts = chosen.map((run) => ({ ...run, artifacts: artifactsOf(run) }))
  return { home: home.home, build, directory, status: home.records.status(build) ?? 'QUEUED', request: requestOf(home, build), result, page: pageAddress(publicUrl, build, wanted), runs: withArtifacts }
}

function artifactsOf({ console }: ListedRun): string | undefined {
  const directory = join(dirname(console), 'artifacts')
  return existsSync(directory) ? directory : undefined
}

function tell(shown: Shown): void {
  const { result, runs, directory } = shown
  printTable(facts(shown).map(([name, value]) => [{ text: name, style: 'dim' }, value]))
  if (runs.length > 1) {
    printLine('')
    const results = new Map(result?.runs.map((run) => [run.name, run]))
    printTable(
      runs.map(({ name, status }) => [name, statusCell(status), took(results.get(name) ?? {}), noteOn(results.get(name))]),
      '  ',
    )
  }
  const decisive = runs.find(({ status }) => status === 'RUNNING' || (status !== 'PASSED' && status !== 'SKIPPED')) ?? runs.findLast(({ status }) => status === 'PASSED')
  const lines = decisive === undefined ? [] : lastLines(decisive.console, excerpt)
  if (lines.some((line) => line !== '')) printLine(`\n${paint('dim', `The end of ${decisive!.console}:`)}\n${lines.join('\n')}`)
  else printLine(`\n${readIfThere(join(directory, 'summary.log'))?.trimEnd() ?? ''}`)
}

function noteOn({ reason, withheld = [], reused, blame }: Partial<RunResult> = {}): string {
  return [reason, ...withheld, reused && `verdict taken from ${reused}`, blameWords(blame, reason)].filter((words) => words !== undefined).join('; ')
}

/** A failure by our fault is `infra` for the very reason that stands beside it: that is not told twice. */
function blameWords(blame: Blame | undefined, told: string | undefined): string | undefined {
  return blame && (blame.reason === told ? blame.class : `${blame.class}: ${blame.reason}`)
}

function heldWords(home: string, build: BuildId): string | undefined {
  const hold = holdOf(home, build)
  return hold && `not known yet: ${hold.awaits?.commit.slice(0, 10) ?? hold.parent.slice(0, 10)} is built first, from queue/low`
}

function facts({ home, build, directory, status, request, result, page, runs }: Shown): [string, string][] {
  const pairs: [string, string | undefined][] = [
    ['build', buildName(build)],
    ['status', status],
    ['because', result?.reason],
    ['blame', result && (blameWords(result.blame, result.reason) ?? heldWords(home, build))],
    ['exit code', result?.runs.find(({ verdict }) => verdict === result.verdict)?.code?.toString()],
    // Of several runs it stands beside the one that wanted it.
    ['withheld', runs.length === 1 ? result?.runs.find(({ name }) => name === runs[0]!.name)?.withheld?.join(' ') : undefined],
    ['repository', request.full_name ?? request.repository],
    ['ref', request.ref],
    ['commit', request.commit_id],
    ['message', request.message?.split('\n')[0]],
    ['committer', [request.committer_name, request.committer_email && `<${request.committer_email}>`].filter(Boolean).join(' ')],
    ['retry of', request.retry_of],
    ['built for', request.blame && `${request.blame.for}, to tell whose its failure is`],
    ['entry', result?.entry],
    ['attempt', result === undefined || result.attempt === 1 ? undefined : String(result.attempt)],
    ['started', result && localTime(result.started)],
    ['took', took(result ?? {})],
    ['page', page],
    ['artifacts', whereKept(directory, runs)],
  ]
  return pairs.filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== '')
}

/** As a shell takes it, also where several runs left something. */
function whereKept(directory: string, runs: ShownRun[]): string | undefined {
  const kept = runs.flatMap(({ artifacts }) => artifacts ?? [])
  return kept.length > 1 ? join(directory, 'runs/*/artifacts') : kept[0]
}
