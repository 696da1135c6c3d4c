import { schedule, type Service } from './build/execute/schedule.ts'
import { openScripted } from './executor/scripted.ts'
import type { RunResult } from './model/build.ts'
import type { Plan, PlannedRun } from './model/plan.ts'
import { parseRequest } from './model/request.ts'
import { worst, type Verdict } from './model/verdict.ts'
import { noGrants } from './plan/grants.ts'
import { defineJobs } from './plan/pipeline/define-jobs.ts'
import type { Pipeline } from './plan/pipeline/pipeline.ts'
import { planPipeline } from './plan/pipeline/plan-pipeline.ts'
import { pretend, type Pretended } from './plan/pipeline/pretend.ts'

export type { Plan, PlannedRun, Pretended, Verdict }

/** How the runs of a simulation act; without a word a run passes at once. */
export interface SimulationOptions extends Pretended {
  /** By the job's name: its verdict, or that and how long it takes, in milliseconds. */
  acts?: Record<string, SimulatedVerdict | Act>
}

export interface Act {
  verdict?: SimulatedVerdict
  takes?: number
}

export type SimulatedVerdict = 'passed' | 'failed' | 'timed-out' | 'errored'

/** What a build would do. */
export interface Simulation {
  verdict: Verdict
  /** The names of the runs in the order in which they started. */
  order: string[]
  /** The verdict of every run, by its name; of skipped ones, too. */
  verdicts: Record<string, Verdict>
  /** Why runs were skipped or did not pass, by their names. */
  reasons: Record<string, string>
}

/** The plan that this server would make for a pretended request. Rejects with the message that a build would fail with. */
export async function plan(pipeline: Pipeline, pretended: Pretended = {}): Promise<Plan> {
  const request = parseRequest(pretend(pretended))
  const evaluate = (_: string, repo: Parameters<typeof defineJobs>[1]) => defineJobs(pipeline, repo, process.cwd())
  const settings = { clone: { CLONE_BASE: '', CLONE_WITH: '' } as const, grants: { ...noGrants, untrusted_images: ['**'] }, timeout: 60, untrustedRuns: 500, changedFiles: pretended.files, evaluate }
  const planned = await planPipeline(request, 'pipeline', { pipeline: 'file:.quern/pipeline.ts', why: 'a test asks for it', settings })
  return 'ignored' in planned ? { pipeline: 'file:.quern/pipeline.ts', why: planned.ignored, runs: [], notify: [] } : planned
}

/** Plans, and acts the runs out as told instead of executing their scripts: their order, and what a failing one does to the others. */
export async function simulate(pipeline: Pipeline, { acts = {}, ...pretended }: SimulationOptions = {}): Promise<Simulation> {
  const { runs } = await plan(pipeline, pretended)
  const stray = Object.keys(acts).find((name) => !runs.some((run) => run.name === name))
  if (stray !== undefined) throw new Error(`the simulation tells how "${stray}" acts, and no job has that name: there are ${runs.map((run) => `"${run.name}"`).join(', ')}`)
  const order: string[] = []
  const results = await schedule(runs, (run, service) => {
    order.push(run.name)
    return actOut(run, acts[run.name] ?? 'passed', service)
  })
  return {
    verdict: worst(results.map(({ verdict }) => verdict)),
    order,
    verdicts: Object.fromEntries(results.map(({ name, verdict }) => [name, verdict])),
    reasons: Object.fromEntries(results.flatMap(({ name, reason }) => (reason === undefined ? [] : [[name, reason]]))),
  }
}

async function actOut(run: PlannedRun, act: SimulatedVerdict | Act, service: Service | undefined): Promise<RunResult> {
  const { verdict = 'passed', takes = 0 } = typeof act === 'string' ? { verdict: act } : act
  const lasting = service !== undefined && verdict === 'passed'
  const executor = openScripted(() => ({ takes: lasting ? Infinity : takes, ending: { verdict, ...(verdict === 'errored' ? { reason: 'the test says so' } : { code: verdict === 'passed' ? 0 : 1 }) } }))
  const execution = { id: run.name, script: '', workspace: '', env: run.env, output: () => {}, limits: { timeout: run.timeout * 60_000, grace: 0 }, network: 'none' as const }
  if (lasting) setTimeout(service.usable, takes)
  const { code: _, notes: __, ...ending } = await executor.execute(execution, service?.over ?? new AbortController().signal)
  return { name: run.name, ...ending }
}
