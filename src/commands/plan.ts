import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { readableLine } from '../model/readable.ts'
import type { Plan, PlannedRun } from '../model/plan.ts'
import { isTrusted, namesCommit, parseRequest, type Request } from '../model/request.ts'
import { settlePlan, type Choice } from '../plan/choose.ts'
import type { Planned } from '../plan/planned.ts'
import { readDelivery } from '../webhook/github.ts'
import { describeLocalPush } from '../webhook/local-push.ts'
import { openConfig, type QuernConfig } from './open-config.ts'
import { openExecutors } from './open-executors.ts'
import { openSettlerOf } from './open-settler.ts'
import { pipelineFor, planSettings } from './plan-settings.ts'
import { paint, printJson, printLine, printTable } from './terminal.ts'
import { UserError } from './user-error.ts'

/** A plan, or in place of its runs what is wrong with the commit's own pipeline file. */
type Shown = Planned & { mistake?: string }

interface PlanOptions {
  request?: string
  scripts?: boolean
  json?: boolean
}

export function define(command: Command): void {
  command
    .argument('[directory]', 'a directory in the repository whose checked-out branch is taken as pushed', '.')
    .option('--request <file>', 'the request as JSON, as in queue/ ("-" reads stdin)')
    .option('--scripts', 'show the scripts, too')
    .option('--json', 'print the plan as it would be kept in plan.json')
    .addHelpText(
      'after',
      '\nShows what would be built and why this pipeline was chosen. No job is run and nothing is queued. Where the commit may have a\npipeline file, it is fetched and the file evaluated, as a build would; else nothing is fetched, and "paths" filters are not applied.\nThe exit code is 1 where the file has a mistake.\n\nExamples:\n  quern plan ~/src/app\n  quern plan --request queue/1700000000.000000-ab12.json --scripts',
    )
    .action(plan)
}

async function plan(directory: string, { request: file, scripts, json }: PlanOptions): Promise<void> {
  const config = await openConfig()
  const request = file === undefined ? await requestFromRepository(directory, config) : requestFromFile(file)
  const choice = pipelineFor(config, request)
  const ofCommit = choice.unlessOwn === true || choice.pipeline.startsWith('file:') || request.series !== undefined
  const planned: Shown = ofCommit ? await settleFromCommit(config, request) : await settlePlan(request, choice, planSettings(config))
  if (json) printJson(planned)
  else tell(request, { choice, planned, scripts: scripts === true })
  if (mistakesIn(planned).length > 0) process.exitCode = 1
}

/** Fetches the commit and evaluates its pipeline file, in a directory that is removed: who looks need not be the builder's user. */
async function settleFromCommit(config: QuernConfig, request: Request): Promise<Shown> {
  const home = mkdtempSync(join(tmpdir(), 'quern-plan-'))
  try {
    const elsewhere = { ...config, home }
    const settled = await openSettlerOf(elsewhere, openExecutors(elsewhere))(request, new AbortController().signal)
    if ('cancelled' in settled) return { ignored: settled.cancelled }
    if ('ignored' in settled) return settled
    return 'mistake' in settled ? { ...settled.plan, mistake: settled.mistake.message } : settled.plan
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

function requestFromFile(file: string): Request {
  return parseRequest(parseJson(file, readText(file)))
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new UserError(`reading the request: ${(error as Error).message}`, { cause: error })
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UserError(`${file}: expected a request as JSON, like an entry of queue/: ${(error as Error).message}`, { cause: error })
  }
}

/** As if the checked-out branch had just been pushed to the default hook. */
async function requestFromRepository(directory: string, { environment }: QuernConfig): Promise<Request> {
  const push = await describeLocalPush(directory, environment).catch((error: unknown) => {
    throw new UserError(`${(error as Error).message}. "quern plan" takes a git repository with a commit and a branch checked out, or --request`, { cause: error })
  })
  const asked = readDelivery({ event: 'push', id: 'plan', hook: 'amp_main', source: 'github' }, push)
  if (asked.request === undefined) throw new UserError(`such a push would be ignored: ${'ignored' in asked ? asked.ignored : ''}`)
  return asked.request
}

function tell(request: Request, { choice, planned, scripts }: { choice: Choice; planned: Shown; scripts: boolean }): void {
  printTable([
    ['Request', `${namesCommit(request) ? `${request.full_name ?? request.repository} ${request.ref} ${request.commit_id}` : 'of no repository'}, ${isTrusted(request) ? 'trusted' : 'untrusted'}`],
    ['Pipeline', 'ignored' in planned ? choice.pipeline : planned.pipeline],
    ['Why', 'ignored' in planned ? choice.why : planned.why],
    ['Records', `builds/${choice.directory}`],
  ])
  if ('ignored' in planned) return printLine(`\n${paint('yellow', 'ignored')}: ${readableLine(planned.ignored)}`)
  if (planned.runs.length > 0) tellRuns(planned)
  for (const mistake of mistakesIn(planned)) printLine(`\n${paint('red', 'mistake')}: ${readableLine(mistake)}`)
  if (scripts) for (const run of planned.runs) printLine(`\n${paint('bold', `Script of ${readableLine(run.name)}`)}\n${run.script.trimEnd()}`)
}

/** Of a mailed series each patch may have one. */
function mistakesIn(planned: Shown): string[] {
  if ('ignored' in planned) return []
  return [planned.mistake, ...planned.runs.map(({ mistake }) => mistake?.message)].filter((mistake) => mistake !== undefined)
}

function tellRuns({ runs, notify }: Plan): void {
  printLine('')
  printTable([['RUN', 'EXECUTOR', 'IMAGE', 'NETWORK', 'MINUTES', 'WORKSPACE', 'NEEDS'], ...runs.map(rowOf)])
  if (notify.length > 0) printLine(`\nMailed on failure, besides the committer: ${notify.join(', ')}`)
}

function rowOf({ name, executor, image = '', network, timeout, workspace, needs }: PlannedRun): string[] {
  return [name, executor, image, network ? 'yes' : 'no', String(timeout), typeof workspace === 'string' ? workspace : `of ${workspace.from}`, needs.join(', ')]
}
