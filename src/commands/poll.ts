import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { cloneToken } from '../git/clone-token.ts'
import { openMirrors } from '../git/mirrors.ts'
import { gitWorld } from '../git/run-git.ts'
import { openLog, type Logger } from '../log/open-log.ts'
import { readableLine } from '../model/readable.ts'
import { isPassing } from '../patchwork/http.ts'
import type { Polled } from '../patchwork/poll-round.ts'
import { poll } from '../patchwork/poll.ts'
import type { PatchworkSource } from '../patchwork/settings.ts'
import { openConfig, type QuernConfig } from './open-config.ts'
import { openOwnHome, type Home } from './open-home.ts'
import { openSources, type OpenSource } from './open-patchwork.ts'
import { printJson, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'

interface PollCommand {
  watch?: boolean
  every: number
  since?: string
  json?: boolean
}

export function define(command: Command): void {
  command
    .option('--watch', 'stay, and poll again and again')
    .option('--every <seconds>', 'with --watch: seconds between two polls', seconds, 60)
    .option('--since <date>', "go back to this date of the server's own clock, like 2026-01-31 or 2026-01-31T12:00:00", serverDate)
    .addOption(new Option('--json', 'as JSON: a list of projects, each with its counts, or with "skipped" or "error"').conflicts('watch'))
    .addHelpText(
      'after',
      '\nAsks the Patchwork servers of quern.yaml for completed series and queues one entry a series and pipeline.\nThe first poll starts at the newest event and queues nothing. Under cron it says nothing unless something has to be mended:\n  * * * * * QUERN_HOME=/path/to/home /path/to/bin/quern poll',
    )
    .action(run)
}

async function run({ watch, every, since, json = false }: PollCommand): Promise<void> {
  const config = await openConfig()
  const sources = openSources(config)
  const home = openOwnHome()
  if (sources.length === 0) throw new UserError('quern.yaml names no Patchwork project: add one under "patchwork:", see docs/patchwork.md')
  expectTokens(config)
  const log = openLog(join(home.home, 'logs/build.log'))
  const spoken = !json && (watch === true || process.stdout.isTTY)
  const round = (from?: string) => pollAll(sources, { config, home, log, since: from, spoken })
  const told = await round(since)
  if (json) printJson(told)
  if (!watch) return
  for (;;) {
    await sleep(every * 1000)
    await round()
  }
}

/** Said before anything is queued whose checks could not be posted. @throws {UserError} */
function expectTokens({ structure, environment }: QuernConfig): void {
  for (const { url, project, token_env: name, rehearse } of structure.patchwork) {
    if (name !== undefined && !rehearse && !environment[name]) throw new UserError(`quern.yaml: patchwork: ${url}, ${project}: token_env names ${name}, which is not set; add export ${name}="…" to environment.sh, or set rehearse: true to post nothing`)
  }
}

interface Context {
  config: QuernConfig
  home: Home
  log: Logger
  since: string | undefined
  /** Whether somebody reads along; cron would mail every line. */
  spoken: boolean
}

/** What a round came to for one project. */
type Told = Pick<PatchworkSource, 'url' | 'project'> & (Polled | { error: string })

/** One project after the other; one that cannot be polled does not hold up the others. */
async function pollAll(sources: OpenSource[], context: Context): Promise<Told[]> {
  const told: Told[] = []
  for (const { source, client } of sources) {
    const name = `${source.project} at ${source.url}`
    try {
      const polled = await poll({ source, client, ...context.home, tip: () => tipOf(source, context), since: context.since })
      tell(name, polled, context)
      told.push({ url: source.url, project: source.project, ...polled })
    } catch (error) {
      complain(name, error, context)
      told.push({ url: source.url, project: source.project, error: readableLine((error as Error).message) })
    }
  }
  return told
}

function tell(name: string, { skipped, ...counts }: Polled, { log, spoken }: Context): void {
  if (counts.events > 0 || counts.queued > 0 || counts.ignored > 0) log.info({ patchwork: name, ...counts }, 'polled')
  if (!spoken) return
  printLine(skipped === undefined ? `${name}: ${counts.queued} queued, ${counts.superseded} superseded, ${counts.ignored} ignored, ${counts.waiting} incomplete` : `${name}: not polled: ${skipped}`)
}

/** An outage passes, and cron asks again in a minute; what a person has to mend is said aloud. */
function complain(name: string, error: unknown, { log, spoken }: Context): void {
  process.exitCode = 1
  const message = readableLine((error as Error).message)
  log.error({ err: error, patchwork: name }, 'polling failed; nothing is lost, the next poll begins where this one did')
  if (spoken || !isPassing(error)) process.stderr.write(`quern: polling ${name}: ${message}\n`)
}

/** The commit that the branch points to now; what is fetched for it here, the build has not to fetch. */
async function tipOf({ tree, branch }: PatchworkSource, { config, home }: Context): Promise<string> {
  const mirrors = openMirrors(join(home.home, 'cache/git'), { env: gitWorld(config.environment), localPaths: true })
  const token = cloneToken(tree, { token: config.settings.CLONE_TOKEN, host: config.settings.CLONE_TOKEN_HOST })
  const mirror = await mirrors.fetchMirror(tree, { token })
  const tip = await mirror.resolve(`refs/heads/${branch}`)
  if (tip === undefined) throw new UserError(`${tree} has no branch ${branch}; name one under "branch" in quern.yaml`)
  return tip
}

function seconds(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('expected a whole number of seconds, from 1')
  return Number(text)
}

function serverDate(text: string): string {
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$/.test(text) || Number.isNaN(Date.parse(`${text.slice(0, 10)}T00:00Z`))) {
    throw new InvalidArgumentError('expected a date without a zone, like 2026-01-31 or 2026-01-31T12:00:00')
  }
  return text.includes('T') ? text : `${text}T00:00:00`
}
