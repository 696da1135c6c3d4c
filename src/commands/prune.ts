import { join } from 'node:path'
import type { Command } from 'commander'
import { pruneHelpers } from '../build/settle/helpers-cache.ts'
import { heldBuilds } from '../build/blame/hold.ts'
import { pruneVerdicts } from '../build/blame/verdicts.ts'
import { readIfThere } from '../disk/read.ts'
import { writeAtomically } from '../disk/write.ts'
import { pruneMirrors } from '../git/prune-mirrors.ts'
import { pruneLedger } from '../ledger/prune-ledger.ts'
import { buildName } from '../model/build.ts'
import { jobDirectory } from '../model/names.ts'
import { readJobDefinitions } from '../plan/read-job-definitions.ts'
import { waitingReports } from '../publish/shelves.ts'
import { pruneDecided } from '../queue/prune.ts'
import { pruneRecords, type Pruned } from '../record/prune.ts'
import type { RetentionRules } from '../record/retention.ts'
import { openConfig, type QuernConfig } from './open-config.ts'
import { openHome, requireOwnHome } from './open-home.ts'
import { pruneSeries } from './prune-series.ts'
import { jobDefinitions } from './plan-settings.ts'
import { remakeIndex } from './remake-index.ts'
import { printJson, printLine, printTable } from './terminal.ts'
import { UserError } from './user-error.ts'

/** Days after which decisions and known deliveries are forgotten. */
const remembered = 365

/** Days after which a mirror, or packages of pipelines, go that nobody has used: what they hold can be had again, and no build lasts so long. */
const cached = 30

const day = 24 * 60 * 60 * 1000

export function define(command: Command): void {
  command
    .option('--dry-run', 'tell what would be removed, and remove nothing')
    .option('--json', 'as JSON: a list of builds with their bytes')
    .addHelpText('after', `\nRemoves the records that the retention of quern.yaml, or of their job definition, does not keep; without a rule all are kept.\nThe newest build of a pipeline always stays. Decisions and deliveries are forgotten after ${remembered} days,\nmailed series when their last record is gone, too; mirrors of repositories and packages of pipelines that nobody has used for ${cached} days go.\n\nCrontab:\n  17 3 * * * QUERN_HOME=/path/to/home /path/to/bin/quern prune`)
    .action((options: { dryRun?: boolean; json?: boolean }) => prune(options))
}

async function prune({ dryRun = false, json }: { dryRun?: boolean; json?: boolean }): Promise<void> {
  const config = await openConfig()
  const now = Date.now()
  if (!dryRun) requireOwnHome(config.home)
  if (!dryRun) requireSteadyClock(config.home, now)
  const removed = pruneRecords(config.home, { rulesOf: await openRules(config), inUse: await buildsInUse(config.home), now, dryRun })
  const before = now - remembered * day
  const forgotten = pruneDecided(config.home, { before, dryRun })
  pruneVerdicts(config.home, { before, dryRun })
  pruneLedger(join(config.home, 'ledger'), { before, dryRun })
  const unused = { before: now - cached * day, dryRun }
  const emptied = { mirrors: await pruneMirrors(join(config.home, 'cache/git'), unused), helpers: await pruneHelpers(config.home, unused) }
  // Where a builder is at work it stays as it is: whoever reads it leaves out what is not there.
  if (!dryRun && removed.length > 0) remakeIndex(config.home)
  const series = await pruneSeries(config, { before, removed, dryRun })
  if (!dryRun) noteClock(config.home, now)
  if (json) printJson(removed)
  else tell(removed, { forgotten, series, ...emptied }, dryRun)
}

/**
 * A clock that is years ahead for one night would have nearly every record, decision and delivery removed. One that is years
 * behind removes nothing, but its note would have every later prune refused. @throws {UserError}
 */
function requireSteadyClock(home: string, now: number): void {
  const last = readIfThere(clockNote(home))?.trim() ?? ''
  if (!(Math.abs(now - Date.parse(last)) > remembered * day)) return
  throw new UserError(`it is ${new Date(now).toISOString()} and the last prune was at ${last}, more than ${remembered} days away: nothing is removed by a clock that may be wrong. Set it (timedatectl set-ntp true); if it is right: rm ${clockNote(home)}`)
}

/** On a full disk the note of the last time does as well, and whoever prunes there must get to the end. */
function noteClock(home: string, now: number): void {
  try {
    writeAtomically(clockNote(home), `${new Date(now).toISOString()}\n`)
  } catch {}
}

function clockNote(home: string): string {
  return join(home, 'ledger/pruned')
}

/** A job definition's own rule wins; a removed definition leaves the rules of quern.yaml. */
async function openRules({ home, structure: { retention } }: QuernConfig): Promise<(pipeline: string) => RetentionRules> {
  const { definitions } = await readJobDefinitions(jobDefinitions(home))
  const own = new Map(definitions.flatMap((job) => (job.retention === undefined ? [] : [[jobDirectory(job.name), { [job.retention.unit]: job.retention.value }] as const])))
  const { pipelines, ...all } = retention
  return (pipeline) => own.get(pipeline) ?? pipelines[pipeline] ?? all
}

/**
 * A claimed entry may have a decided build that is not handed over yet; a report that waits reads its attachments there.
 * In the order in which a builder moves them on meanwhile.
 */
async function buildsInUse(home: string): Promise<Set<string>> {
  const entries = await openHome().queue.list()
  return new Set([...entries.flatMap(({ build }) => (build === undefined ? [] : [buildName(build)])), ...heldBuilds(home).map(buildName), ...waitingReports(home).map(({ build }) => build)])
}

function tell(removed: Pruned[], { forgotten, series, mirrors, helpers }: Record<'forgotten' | 'series' | 'mirrors' | 'helpers', number>, dryRun: boolean): void {
  const would = dryRun ? 'Would remove' : 'Removed'
  if (removed.length > 0) printTable([['BUILD', 'BYTES'], ...removed.map((build) => [buildName(build), String(build.bytes)])])
  printLine(`${would} ${removed.length} builds, ${removed.reduce((sum, { bytes }) => sum + bytes, 0)} bytes, and ${forgotten} entries decided more than ${remembered} days ago.${series > 0 ? ` ${dryRun ? 'Would forget' : 'Forgot'} ${series} mailed series.` : ''}`)
  if (mirrors + helpers > 0) printLine(`${would} ${mirrors} mirrors and ${helpers} installations of packages that nobody has used for ${cached} days.`)
}
