import * as v from 'valibot'
import { longestTimeout, type Plan, type PlannedRun } from '../../model/plan.ts'
import { describeIssue } from '../../model/issue.ts'
import { isTrusted, type Request } from '../../model/request.ts'
import { meetingPlaces, neededServices } from '../../model/services.ts'
import { bashScript } from '../bash-script.ts'
import { checkRuns, type RunLimits } from '../check-plan.ts'
import type { CloneSettings } from '../clone-url.ts'
import { requestEnvironment } from '../environment.ts'
import { expandGroup } from '../expand-group.ts'
import { mayUseNetwork, requireImageGrant, type Grants } from '../grants.ts'
import { PlanError } from '../plan-error.ts'
import type { Planned } from '../planned.ts'
import type { RepoFacts } from './define-jobs.ts'
import { definedSchema, type Defined, type DefinedJob } from './defined.ts'
import { PipelineError } from './pipeline-error.ts'
import { repoFacts } from './repo-facts.ts'

export interface PipelinePlanSettings extends RunLimits {
  clone: CloneSettings
  grants: Grants
  /** Minutes, for jobs that do not say. */
  timeout: number
  /** What the request changes, where that is known. */
  changedFiles?: string[] | undefined
  /** Evaluates a pipeline file of the commit in isolation. What it resolves with is data that the file made: nothing of it is believed yet. */
  evaluate?: ((path: string, repo: RepoFacts) => Promise<unknown>) | undefined
}

/**
 * Settles a request by a pipeline file of its commit.
 * @throws {PipelineError} where the file is at fault, {PlanError} where this server does not give what it asks for
 */
export async function planPipeline(request: Request, path: string, { pipeline, why, settings }: Pick<Plan, 'pipeline' | 'why'> & { settings: PipelinePlanSettings }): Promise<Planned> {
  if (settings.evaluate === undefined) throw new PlanError(`the pipeline ${path} is a file of a commit, and here there is no commit to take it from`)
  const defined = parseDefined(path, await settings.evaluate(path, repoFacts(request, settings.changedFiles)))
  if (defined.jobs.length === 0) return { ignored: `${path} has no job for this request` }
  const settled = settleDefined(defined, request, settings)
  checkAsked(path, () => checkRuns(settled.runs, request, settings))
  requireReach(defined.jobs, settled.runs, isTrusted(request))
  return { pipeline, why, ...settled }
}

function checkAsked(path: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (error instanceof PlanError) throw new PipelineError(`${path}: ${error.message}`, '', { cause: error })
    throw error
  }
}

function parseDefined(path: string, data: unknown): Defined {
  // Only one is told: of a stranger's millions each would take memory.
  const result = v.safeParse(definedSchema, data, { abortEarly: true })
  if (result.success) return result.output
  const issue = result.issues[0]
  throw new PipelineError(`${path}: what its evaluation left is no list of jobs: ${v.getDotPath(issue) ?? ''}: ${describeIssue(issue)}`)
}

/** @throws where no job that waits for a service could reach it, since one has the network and the other has not */
function requireReach(jobs: DefinedJob[], runs: PlannedRun[], trusted: boolean): void {
  if (!runs.some((run) => run.service)) return
  const placeOf = meetingPlaces(runs, trusted)
  const servicesOf = neededServices(runs)
  const waiting = runs.filter((run) => !run.service).flatMap((run) => servicesOf(run).map((service) => ({ run, service })))
  const reached = new Set(waiting.filter(({ run, service }) => placeOf(run) === placeOf(service)).map(({ service }) => service))
  // What is in a container may share a socket in a directory with what is not.
  const alone = waiting.find(({ run, service }) => !reached.has(service) && ![run.executor, service.executor].includes('container'))?.service
  if (alone === undefined) return
  const place = jobs.find((job) => job.name === alone.name)?.place
  const why = `no job could reach the service "${alone.name}": it has ${alone.network ? 'the network and the jobs that need it have none' : 'no network and the jobs that need it have one'}; say network: false for all of them or for none`
  throw new PipelineError(place === undefined ? why : `${place}: ${why}`)
}

/** The runs of the jobs that a file asks for, by the rules of this server. @throws {PlanError} where it does not give what is asked for */
function settleDefined({ jobs, supersede, notify }: Defined, request: Request, settings: Omit<PipelinePlanSettings, 'evaluate'>): Omit<Plan, 'pipeline' | 'why'> {
  const trusted = isTrusted(request)
  const needs = needsOf(jobs)
  const minutes = jobs.reduce((sum, job) => sum + (job.service ? 0 : (job.timeout ?? settings.timeout)), 0)
  const runs = jobs.map((job) => {
    const run = settleJob(job, request, settings)
    // A service lasts as long as the jobs may.
    return { ...run, needs: needs.get(job.name)!, ...(job.service && { timeout: Math.min(Math.max(minutes, 1), longestTimeout) }) }
  })
  return { runs, notify: trusted ? notify : [], ...(supersede && trusted && { supersede }) }
}

function settleJob(job: DefinedJob, request: Request, settings: Omit<PipelinePlanSettings, 'evaluate'>): Omit<PlannedRun, 'needs'> {
  const trusted = isTrusted(request)
  const executor = executorOf(job, trusted)
  if (executor === 'container') requireImageGrant(job.image!, request, settings.grants)
  const env = { ...requestEnvironment(request, settings.clone), ...job.env }
  return {
    name: job.name,
    job: job.name,
    executor,
    script: bashScript(job.script),
    workspace: job.workspace ?? (job.service ? 'none' : 'commit'),
    env,
    params: {},
    secrets: trusted ? job.secrets : [],
    ...(executor === 'container' && { image: job.image! }),
    timeout: trusted ? (job.timeout ?? settings.timeout) : Math.min(job.timeout ?? settings.timeout, settings.timeout),
    network: job.network && mayUseNetwork(request, settings.grants),
    artifacts: job.artifacts,
    ...(trusted && job.memory !== undefined && { memory: job.memory }),
    ...(trusted && job.cpus !== undefined && { cpus: job.cpus }),
    ...(trusted && job.group !== undefined && { group: expandGroup(job.group, env) }),
    // That a verdict holds for others, too, is not believed from a stranger.
    ...(job.reuse !== undefined && (trusted || !job.reuse) && { reuse: job.reuse }),
    ...(job.service && { service: true }),
    ...(job.ready !== undefined && { ready: job.ready }),
    ...(job.deploy && { deploy: true }),
    ...(job.deploy && !trusted && { skip: 'it deploys, which is never done for untrusted requests' }),
  }
}

function executorOf({ executor, image }: DefinedJob, trusted: boolean): PlannedRun['executor'] {
  const asked = executor ?? (image === undefined ? 'sandbox' : 'container')
  return asked === 'shell' && !trusted ? 'sandbox' : asked
}

/**
 * What each job waits for: its own needs, the services of its stage, and the jobs of the stage before that no other job
 * there waits for; through these it waits for all that is before.
 */
function needsOf(jobs: DefinedJob[]): Map<string, string[]> {
  const stages = [...new Set(jobs.map((job) => job.stage))].toSorted((one, other) => one - other)
  const needs = new Map<string, string[]>()
  let before: string[] = []
  for (const stage of stages) {
    const own = jobs.filter((job) => job.stage === stage)
    const services = own.filter((job) => job.service).map((job) => job.name)
    for (const job of own) needs.set(job.name, [...new Set([...before, ...(job.service ? [] : services), ...job.needs])])
    const neededHere = new Set(own.flatMap((job) => needs.get(job.name)!))
    before = own.map((job) => job.name).filter((name) => !neededHere.has(name))
  }
  return needs
}
