import type { Command } from 'commander'
import type { Plan } from '../model/plan.ts'
import type { RunChoice } from '../model/request.ts'
import { settlePlan } from '../plan/choose.ts'
import { readJobDefinition } from '../plan/read-job-definitions.ts'
import { readRunChoice } from '../plan/read-run-choice.ts'
import { requestForJob, type JobStart } from '../plan/request-for-job.ts'
import { openConfig } from './open-config.ts'
import { openOwnHome } from './open-home.ts'
import { pipelineFor, planSettings } from './plan-settings.ts'
import { paint, printJson, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'
import { userName } from './user-name.ts'

interface StartOptions {
  run: string[]
  repository?: string
  ref?: string
  commit?: string
  cloneUrl?: string
  fresh?: boolean
  json?: boolean
}

export function define(command: Command): void {
  command
    .argument('<job>', 'its name: the path below job-defs without .yml')
    .option('--run <choice>', 'one run: name=…,container=…,params.NAME=… (repeat it for a matrix)', (text: string, before: string[]) => [...before, text], [])
    .option('--repository <name>', 'owner/name of the repository that the job is to build; with --ref and --commit')
    .option('--ref <ref>', 'like refs/heads/main')
    .option('--commit <sha>', 'the full id')
    .option('--clone-url <url>', 'where the repository is, if not below CLONE_BASE')
    .option('--fresh', 'take no verdict from earlier builds of the same tree')
    .option('--json', 'print {"entry", "runs"} as JSON')
    .addHelpText(
      'after',
      "\nWithout --run there is one run a container, with the default parameters. An unknown parameter, choice or container is refused, and nothing is queued.\n\nExample:\n  quern start example --run 'name=amd64 master,container=ubuntu,params.git_branch=master' --run 'name=amd64 v2,container=ubuntu,params.git_branch=v2'",
    )
    .action(start)
}

async function start(name: string, options: StartOptions): Promise<void> {
  const config = await openConfig()
  const home = openOwnHome()
  const runs: RunChoice[] = options.run.map(readRunChoice)
  const settings = planSettings(config)
  const job = await readJobDefinition(settings.definitions, name)
  const asked = requestForJob({ job, runs, person: userName(), commit: commitOf(options) })
  const request = options.fresh ? { ...asked, fresh: true } : asked
  const planned = await settlePlan(request, pipelineFor(config, request), settings)
  if ('ignored' in planned) throw new UserError(planned.ignored)
  const { entry } = await home.queue.enqueue(request)
  const { repository, ref, commit_id } = request
  home.ledger.decide({ decision: 'queued', reason: `job ${name}, started by ${userName()}`, entry, repository, ref, commit_id })
  tell(entry, planned, options.json === true)
}

function commitOf({ repository, ref, commit, cloneUrl }: StartOptions): JobStart['commit'] {
  if (repository === undefined && ref === undefined && commit === undefined && cloneUrl === undefined) return undefined
  if (repository === undefined || ref === undefined || commit === undefined) throw new UserError('a start for a commit names all of --repository, --ref and --commit')
  return { repository, ref, commit_id: commit, clone_url: cloneUrl }
}

function tell(entry: string, { runs }: Plan, json: boolean): void {
  const names = runs.map((run) => run.name)
  if (json) return printJson({ entry, runs: names })
  printLine(`${paint('green', 'Queued')} as ${entry}; the next tick builds it, or "quern build" does at once.`)
  printLine(`${names.length === 1 ? '1 run' : `${names.length} runs`}: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`)
}
