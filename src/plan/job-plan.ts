import type { Plan, PlannedRun } from '../model/plan.ts'
import { isTrusted, namesCommit, type Request } from '../model/request.ts'
import { bashScript } from './bash-script.ts'
import { checkRuns, type RunLimits } from './check-plan.ts'
import type { Choice } from './choose.ts'
import type { CloneSettings } from './clone-url.ts'
import { requestEnvironment } from './environment.ts'
import { expandGroup } from './expand-group.ts'
import { leftOut } from './filters.ts'
import { mayUseNetwork, mountsOf, requireEngineGrant, requireMountGrants, type Grants } from './grants.ts'
import { requireHost } from './host-tags.ts'
import { askedExecutor, type JobDefinition } from './job-definition.ts'
import { linkRuns, type LinkedRun } from './link-runs.ts'
import { nameRuns } from './name-runs.ts'
import { readWithNeeds, type LinkedJob } from './needed-jobs.ts'
import { PlanError } from './plan-error.ts'
import type { Planned } from './planned.ts'
import { settleChoices } from './settle-choice.ts'

export interface JobPlanSettings extends RunLimits {
  clone: CloneSettings
  /** The directory job-defs. */
  definitions: string
  /** What this host is. */
  hostTags: string[]
  grants: Grants
  /** Minutes, for jobs that do not say. */
  timeout: number
  /** What the request changes, where that is known. */
  changedFiles?: string[] | undefined
}

/** Settles a request by a job definition and those that it needs. @throws {PlanError} or {YamlError} saying what is missing or wrong */
export async function planJob(request: Request, name: string, { choice, settings }: { choice: Choice; settings: JobPlanSettings }): Promise<Planned> {
  const job = await readWithNeeds(settings.definitions, name)
  const reason = leftOut(job.definition, request, settings.changedFiles) ?? notForUntrusted(job, request)
  if (reason !== undefined) return { ignored: reason }
  const linked = linkRuns(job, settleChoices(job.definition, request.runs))
  nameRuns(linked)
  for (const run of linked) requireServer(run, settings)
  const runs = [...servicesOf(linked, request, settings), ...linked.map((run) => settleRun(run, request, settings))]
  checkRuns(runs, request, settings)
  return planOf(linked, { runs, choice, supersede: job.definition.supersede })
}

function planOf(linked: LinkedRun[], { runs, choice, supersede }: { runs: PlannedRun[]; choice: Choice; supersede: boolean }): Plan {
  const users = linked.flatMap(({ job }) => job.definition.notify.flatMap((one) => one.users))
  return { pipeline: choice.pipeline, why: choice.why, runs, notify: [...new Set(users)], ...(supersede && { supersede }) }
}

/** Why untrusted code may not have this job: it, or one that it needs, acts on the world or on this host. */
function notForUntrusted(job: LinkedJob, request: Request): string | undefined {
  if (isTrusted(request)) return undefined
  const { name, deploy, engine } = job.definition
  if (deploy || engine) return `untrusted: the job ${name} ${deploy ? 'deploys' : 'drives the container engine'}`
  return [...job.needs.values()].map((need) => notForUntrusted(need, request)).find((reason) => reason !== undefined)
}

/** @throws {PlanError} where the run asks for what this server does not grant or is not */
function requireServer({ job: { definition }, container }: LinkedRun, { grants, hostTags }: JobPlanSettings): void {
  requireEngineGrant(definition, grants)
  requireMountGrants(definition, grants)
  if (container !== undefined) requireHost(container, { job: definition, tags: hostTags })
}

function settleRun({ name, job, container, params, needs, workspace }: LinkedRun, request: Request, settings: JobPlanSettings): PlannedRun {
  const { definition } = job
  const trusted = isTrusted(request)
  const executor = executorOf(definition, trusted)
  const env = { ...requestEnvironment(request, settings.clone), ...definition.env, ...params }
  return {
    name,
    job: definition.name,
    executor,
    script: bashScript(definition.script),
    needs: [...definition.services.map((service) => service.name), ...new Set(needs.map((need) => need.name))],
    workspace: workspace === undefined ? workspaceOf(definition, request) : { from: workspace.name },
    env,
    params,
    secrets: trusted ? definition.secrets : [],
    ...(executor === 'container' && container !== undefined && { image: container.image }),
    timeout: definition.timeout ?? settings.timeout,
    network: definition.network && mayUseNetwork(request, settings.grants),
    ...(definition.memory !== undefined && { memory: definition.memory }),
    ...(definition.cpus !== undefined && { cpus: definition.cpus }),
    artifacts: definition.artifacts,
    ...(!definition.archive && { archive: false }),
    ...(definition.mounts.length > 0 && { mounts: mountsOf(definition, request) }),
    ...(definition.engine && { engine: true }),
    ...(definition.deploy && { deploy: true }),
    ...(definition.reuse !== undefined && { reuse: definition.reuse }),
    ...(definition.concurrency !== undefined && { group: expandGroup(definition.concurrency, env) }),
  }
}

/** Every service once, whatever the number of runs that need it. */
function servicesOf(linked: LinkedRun[], request: Request, settings: JobPlanSettings): PlannedRun[] {
  const definitions = [...new Set(linked.map(({ job }) => job.definition))]
  return definitions.flatMap((definition) =>
    definition.services.map((service) => ({
      name: service.name,
      job: definition.name,
      executor: 'container' as const,
      script: bashScript(service.script),
      needs: [],
      workspace: 'none' as const,
      env: service.env,
      params: {},
      secrets: [],
      image: service.image,
      timeout: definition.timeout ?? settings.timeout,
      network: definition.network && mayUseNetwork(request, settings.grants),
      artifacts: [],
      service: true,
    })),
  )
}

/** Only job definitions of trusted requests may ask for the shell of this host. */
function executorOf(definition: JobDefinition, trusted: boolean): PlannedRun['executor'] {
  const asked = askedExecutor(definition)
  return asked === 'shell' && !trusted ? 'sandbox' : asked
}

function workspaceOf({ name, workspace }: JobDefinition, request: Request): 'none' | 'commit' {
  if (workspace === 'commit' && !namesCommit(request))
    throw new PlanError(`the job ${name} works on a commit (workspace: commit), but this start names none: give it --repository, --ref and --commit`)
  return workspace === 'none' || !namesCommit(request) ? 'none' : 'commit'
}
