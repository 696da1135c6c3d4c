import picomatch from 'picomatch'
import * as v from 'valibot'
import { describeIssue } from '../../model/issue.ts'
import { mostRuns } from '../check-plan.ts'
import { findCircle } from '../find-circle.ts'
import { definedJobSchema, definedSchema, type Defined, type DefinedJob } from './defined.ts'
import type { Job, JobOptions, Pipeline, PipelineContext, Repo, SharedOptions, StageOptions } from './pipeline.ts'
import { callerOf, PipelineMistake } from './place.ts'

/** What is known of the repository, as data. */
export type RepoFacts = Omit<Repo, 'changed'>

/**
 * Calls the pipeline's function and returns the jobs that it defined, checked.
 * @param root places are told relative to this directory
 * @throws {PipelineMistake} with file and line of what is wrong; and whatever the pipeline's own code throws
 */
export async function defineJobs(pipeline: Pipeline, facts: RepoFacts, root: string): Promise<Defined> {
  const { supersede, notify, ...shared } = pipeline.options
  const general = v.safeParse(definedSchema, present({ jobs: [], supersede, notify }))
  if (!general.success) throw new PipelineMistake(`the pipeline: ${describe(general.issues[0])}`)
  const definition = openDefinition(facts, shared, root)
  await pipeline.define(definition.context)
  definition.close()
  checkNeeds(definition.jobs)
  return { ...general.output, jobs: definition.jobs }
}

interface Definition {
  context: PipelineContext
  jobs: DefinedJob[]
  /** From now on nothing can be defined any more. */
  close(): void
}

function openDefinition(facts: RepoFacts, shared: SharedOptions, root: string): Definition {
  const jobs: DefinedJob[] = []
  /** Where each name of a job or stage was given. */
  const names = new Map<string, string | undefined>()
  let stage = { number: 0, options: {} as StageOptions, name: undefined as string | undefined }
  let closed = false

  function claim(name: unknown, what: string, place: string | undefined): void {
    if (closed) throw mistake(place, `${what} was defined after the pipeline's function had ended: await what comes before it`)
    if (typeof name !== 'string') throw mistake(place, `${what}: expected its name, a text, first`)
    if (names.has(name)) throw mistake(place, `two jobs or stages are named "${name}": give each its own name${at(names.get(name))}`)
    names.set(name, place)
  }

  function job(name: string, script: string, options: JobOptions = {}): Job {
    const place = callerOf(job, root)
    claim(name, 'a job', place)
    if (jobs.length >= mostRuns) throw mistake(place, `the pipeline asks for more than ${mostRuns.toLocaleString('en')} jobs, which is the most`)
    const merged = merge(shared, stage.options, options)
    const asked = { ...merged, name, script, place, stage: stage.number, ...namesOf(merged), env: textsOf(merged.env) }
    const checked = v.safeParse(definedJobSchema, present(asked))
    if (!checked.success) throw mistake(place, `the job "${name}": ${describe(checked.issues[0])}`)
    jobs.push(checked.output)
    return { name }
  }

  function defineStage(name: string, ...rest: [() => void] | [StageOptions, () => void]): void {
    const place = callerOf(defineStage, root)
    const [options, define] = rest.length === 1 ? [{}, rest[0]] : rest
    claim(name, 'a stage', place)
    if (typeof define !== 'function') throw mistake(place, `the stage "${name}": expected a function that defines its jobs`)
    if (stage.name !== undefined) throw mistake(place, `the stage "${name}" is inside the stage "${stage.name}": stages follow one another`)
    stage = { number: stage.number + 1, options, name }
    const returned: unknown = define()
    if (returned instanceof Promise) throw mistake(place, `the function of the stage "${name}" is async: await before p.stage(), not inside`)
    stage = { number: stage.number + 1, options: {}, name: undefined }
  }

  function matrix(values: Record<string, readonly unknown[]>): Record<string, never>[] {
    const place = callerOf(matrix, root)
    const entries = Object.entries(values)
    const empty = entries.find(([, list]) => !Array.isArray(list) || list.length === 0)
    if (entries.length === 0) throw mistake(place, 'the matrix is empty: expected names with lists of values')
    if (empty !== undefined) throw mistake(place, `the matrix is empty: ${empty[0]} has no values`)
    const size = entries.reduce((product, [, list]) => product * list.length, 1)
    if (size > mostRuns) throw mistake(place, `the matrix has ${size.toLocaleString('en')} combinations: expected at most ${mostRuns.toLocaleString('en')}`)
    return entries.reduce<Record<string, never>[]>((rows, [name, list]) => rows.flatMap((row) => list.map((value) => ({ ...row, [name]: value as never }))), [{}])
  }

  const context = { repo: repoOf(facts), job, stage: defineStage, matrix } as PipelineContext
  return { context, jobs, close: () => (closed = true) }
}

function repoOf(facts: RepoFacts): Repo {
  return { ...facts, changed: (...globs) => facts.files === undefined || facts.files.some((file) => picomatch.isMatch(file, globs, { dot: true })) }
}

/** What is nearer to the job wins; `env` adds up. */
function merge(...levels: JobOptions[]): JobOptions {
  const env = levels.map((level) => level.env ?? {})
  return { ...levels.map((level) => present(level)).reduce((all, level) => Object.assign(all, level), {}), env: Object.assign({}, ...env) as Record<string, string> }
}

function namesOf({ needs, workspace }: JobOptions) {
  const from = typeof workspace === 'object' ? nameOf(workspace.from) : undefined
  const named = Array.isArray(needs) ? needs.map(nameOf) : needs
  return {
    needs: from === undefined || !Array.isArray(named ?? []) ? named : [...new Set([...((named as string[]) ?? []), from])],
    workspace: from === undefined ? workspace : { from },
  }
}

function nameOf(job: string | Job): string {
  return typeof job === 'object' && job !== null ? job.name : job
}

function textsOf(env: JobOptions['env']): Record<string, unknown> {
  const text = (value: unknown) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value)
  return Object.fromEntries(Object.entries(env ?? {}).filter(([, value]) => value !== undefined).map(([name, value]) => [name, text(value)]))
}

function checkNeeds(jobs: DefinedJob[]): void {
  const byName = new Map(jobs.map((job) => [job.name, job]))
  for (const job of jobs) {
    for (const name of job.needs) {
      const need = byName.get(name)
      if (need === undefined) throw mistake(job.place, `the job "${job.name}" needs "${name}", and no job has that name`)
      if (job.service && !need.service && need.stage === job.stage) throw mistake(job.place, `the service "${job.name}" needs "${name}"${at(need.place)}, but services start before the jobs of their stage`)
      if (need.stage > job.stage) throw mistake(job.place, `the job "${job.name}" needs "${name}" of a later stage${at(need.place)}`)
    }
  }
  const circle = findCircle(jobs)
  if (circle !== undefined) throw mistake(byName.get(circle[0]!)!.place, `these jobs need each other in a circle: ${circle.map((name) => `"${name}"${at(byName.get(name)!.place)}`).join(' needs ')}`)
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  if (issue.type === 'strict_object' && issue.expected === 'never') return `there is no option "${path}"`
  return `${path === null ? '' : `${path}: `}${describeIssue(issue)}`
}

function mistake(place: string | undefined, message: string): PipelineMistake {
  return new PipelineMistake(place === undefined ? message : `${place}: ${message}`)
}

function at(place: string | undefined): string {
  return place === undefined ? '' : ` (${place})`
}

/** Without the keys that are undefined: they would hide what another level says. */
function present<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T
}
