import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { runBuild } from '../build/run-build.ts'
import { openSlots } from '../build/slots.ts'
import { watchForStop, type Stop } from '../build/stop.ts'
import type { Workshop } from '../build/workshop.ts'
import { loadConfig } from '../config/load-config.ts'
import { orMissing } from '../disk/read.ts'
import { takeLock } from '../disk/lock.ts'
import { makeDirectory } from '../disk/write.ts'
import { findProgram } from '../executor/find-program.ts'
import { endLeftovers } from '../executor/leftovers.ts'
import { gitWorld } from '../git/run-git.ts'
import { readWorkTree, snapshotWorkTree, type WorkTree } from '../git/snapshot.ts'
import type { BuildResult } from '../model/build.ts'
import { directoryName, repositoryDirectory } from '../model/names.ts'
import type { Plan } from '../model/plan.ts'
import { parseRequest, type Request } from '../model/request.ts'
import { ownPipelines } from '../plan/choose.ts'
import type { Claim } from '../queue/queue.ts'
import { namesOf } from '../webhook/local-push.ts'
import { homeDirectories } from './home-directories.ts'
import { laptopPlan } from './laptop-plan.ts'
import { configSchema, type QuernConfig } from './open-config.ts'
import { openExecutors, settingsOf } from './open-executors.ts'
import { openSettlerOf } from './open-settler.ts'
import { openWorkshop } from './open-workshop.ts'
import { showProgress } from './show-progress.ts'
import { printJson, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'

/** Records of runs on this machine that are kept in the repository's git directory. */
const keptRecords = 20

export function define(command: Command): void {
  command
    .argument('[file]', 'the pipeline file; without it .quern/pipeline.ts or .quern/pipeline.js')
    .option('--job <name>', 'run this job only, with the services of its build and the jobs whose work tree it takes over')
    .option('--json', 'as JSON, when all has ended: {"directory", "result"}, the result as in its result.json')
    .addHelpText(
      'after',
      '\nRuns the pipeline of the repository around the current directory on the work tree as it stands: each job in a copy of what is\ncommitted, changed or new, without what git ignores. Jobs that deploy are left out, unless --job names one. Needs no home and no\nqueue: the records are kept in .git/quern. Exit code 0 where all passed, 2 for a mistake in the command, else 1.\n\nExamples:\n  quern run\n  quern run ci/pipeline.ts --job lint',
    )
    .action(run)
}

async function run(file: string | undefined, { job, json = false }: { job?: string; json?: boolean }): Promise<void> {
  // Until it is decided: whoever stops reading ends it, and a hook must not take that for passed.
  process.exitCode = 1
  const env = gitWorld(process.env)
  const tree = await readWorkTree(process.cwd(), env)
  const path = pipelineFile(tree, file)
  const home = makeRunHome(tree)
  const lock = takeLock(join(home, 'queue/.lock'))
  if (lock === undefined) throw new UserError(`another "quern run" is at work in ${tree.top}: wait for it, or end it`)
  try {
    const config = await laptopConfig(home, json)
    const workshop = openWorkshop(config, config.settings.THREADS)
    await clearUp(workshop, config)
    const { mirror, commit } = await snapshotWorkTree(tree, join(home, 'cache/snapshot.git'), env)
    const request = requestFor(tree, commit, `file:${path}`)
    lendKey(config, tree, request)
    // Whoever runs it wants to see it run, once, and has nobody to blame.
    workshop.blame = { compare: false, retry: false }
    const settled = settleForLaptop(workshop, openSettlerOf(config, openExecutors(config), mirror), job)
    const result = await build(workshop, request, json)
    // In the record the build is errored; to the person it is a mistake in the command.
    if (settled.mistake !== undefined) throw settled.mistake
    if (json) printJson({ directory: workshop.records.directory(result), result })
    else await report(workshop, result, settled.plan)
    process.exitCode = result.verdict === 'passed' || result.verdict === 'skipped' ? 0 : 1
  } finally {
    lock.release()
  }
}

/** Has the workshop settle the plan as it is carried out here. What is returned holds that plan, or the person's mistake, once it is settled. */
function settleForLaptop(workshop: Workshop, settle: Workshop['settle'], job: string | undefined): { plan?: Plan; mistake?: unknown } {
  const result: { plan?: Plan; mistake?: unknown } = {}
  workshop.settle = async (asked, signal) => {
    const settled = await settle({ ...asked, fresh: true }, signal)
    if (!('plan' in settled)) return settled
    try {
      result.plan = laptopPlan(settled.plan, { job, sandbox: hasSandbox() })
    } catch (error) {
      result.mistake = error
      throw error
    }
    return { ...settled, plan: result.plan }
  }
  return result
}

function pipelineFile({ top }: WorkTree, file: string | undefined): string {
  if (file === undefined) {
    const own = ownPipelines.find((path) => existsSync(join(top, path)))
    if (own === undefined) throw new UserError(`${top} has no ${ownPipelines.join(' or ')}: write one (docs/pipelines.md), or name the file: quern run ci/pipeline.ts`)
    return own
  }
  const path = relative(top, resolve(file))
  if (path.startsWith('..')) throw new UserError(`${file} is outside of the repository ${top}: expected a file in it`)
  if (!existsSync(join(top, path))) throw new UserError(`${file}: no such file`)
  return path
}

/** Lies in the git directory, so that no .gitignore has to name it. */
function makeRunHome({ gitDirectory }: WorkTree): string {
  const home = join(gitDirectory, 'quern')
  for (const name of homeDirectories) makeDirectory(join(home, name))
  return home
}

/** Where there is no sandbox, a person's own code runs as that person, and is told so. */
async function laptopConfig(home: string, silent: boolean): Promise<QuernConfig> {
  const config: QuernConfig = await loadConfig(home, configSchema)
  if (hasSandbox()) return config
  const told = silent ? process.stderr : process.stdout
  told.write('There is no sandbox here (bubblewrap on Linux): jobs without an image run as you, on your machine as it is.\n')
  return { ...config, settings: { ...config.settings, PIPELINE_EXECUTOR: 'shell' } }
}

function hasSandbox(): boolean {
  return process.platform === 'linux' && findProgram('bwrap') !== undefined
}

/** Ends and removes what a run left that was killed, and old records. */
async function clearUp({ home, homeId, queue }: Workshop, config: QuernConfig): Promise<void> {
  const claims = await queue.repair()
  if (claims.length > 0) await endLeftovers(homeId, settingsOf(config).container)
  for (const claim of claims) await queue.finish(claim)
  for (const { entry } of await queue.list()) await queue.drop(entry)
  rmSync(join(home, 'cache/work'), { recursive: true, force: true })
  for (const pipeline of readdirSync(join(home, 'builds'))) {
    const numbers = (orMissing(() => readdirSync(join(home, 'builds', pipeline))) ?? []).map(Number).filter(Number.isInteger)
    for (const number of numbers.toSorted((one, other) => other - one).slice(keptRecords)) rmSync(join(home, 'builds', pipeline, String(number)), { recursive: true, force: true })
  }
}

function requestFor(tree: WorkTree, commit: string, pipeline: string): Request {
  const { name, full_name: fullName } = namesOf(tree.origin, tree.top)
  return parseRequest({
    repository: name,
    ...(fullName !== undefined && { full_name: fullName }),
    ref: tree.ref ?? 'refs/heads/detached',
    commit_id: commit,
    ...(tree.upstream !== undefined && { before: tree.upstream }),
    // The commit itself tells the people and the message.
    committer_name: '',
    committer_email: '',
    clone_url: tree.top,
    source: 'command',
    trusted: true,
    fresh: true,
    pipeline,
    received: new Date().toISOString(),
  })
}

/** The key of the repository's encrypted secrets, which a server has in its home, lies beside them on the laptop. */
function lendKey({ home, settings }: QuernConfig, { top }: WorkTree, request: Request): void {
  const own = join(top, 'secrets', `${settings.SECRETS_ENV}.key`)
  if (!existsSync(own)) return
  const lent = join(makeDirectory(join(home, 'secrets', repositoryDirectory(request))), `${settings.SECRETS_ENV}.key`)
  rmSync(lent, { force: true })
  symlinkSync(own, lent)
}

/** Queues and claims the request, so that its record is kept like any other, and builds it while a person looks on. */
async function build(workshop: Workshop, request: Request, silent: boolean): Promise<BuildResult> {
  await workshop.queue.enqueue(request)
  const claim = (await workshop.queue.claim((asked) => workshop.records.reserve(workshop.pipelineOf(asked))))!
  const stop = watchForStop(workshop.records.directory(claim.build), new AbortController().signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.cancel(`ended by ${signal}`))
  try {
    await buildClaim(workshop, claim, { stop, silent })
  } finally {
    stop.close()
  }
  return workshop.records.result(claim.build)!
}

async function buildClaim(workshop: Workshop, claim: Claim, { stop, silent }: { stop: Stop; silent: boolean }): Promise<void> {
  const { take } = openSlots(workshop.threads)
  const executor = workshop.executor
  // Who broke it is known, and sees every failure at once.
  const alone = { blame: { compare: false, retry: false }, reportsOn: async () => [] }
  await runBuild({ ...workshop, ...alone, executor: silent ? executor : async (name) => showProgress(await executor(name)) }, claim, { takeSlot: take, leaveSeat: () => {}, stop })
}

async function report(workshop: Workshop, result: BuildResult, plan: Plan | undefined): Promise<void> {
  const directory = workshop.records.directory(result)
  const [{ reportSource }, { textReport }] = await Promise.all([import('../report/report-source.ts'), import('../report/text.ts')])
  printLine(`\n${textReport(await reportSource({ result, plan, directory }))}`.trimEnd())
  for (const { name, skip } of plan?.runs ?? []) if (skip !== undefined) printLine(`${JSON.stringify(name)} was left out: ${skip}`)
  const notPassed = result.runs.filter(({ verdict, started }) => started !== undefined && verdict !== 'passed')
  for (const { name } of notPassed) printLine(`The whole output of ${JSON.stringify(name)}: ${join(directory, 'runs', directoryName(name), 'console.log')}`)
}
