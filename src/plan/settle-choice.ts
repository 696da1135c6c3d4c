import * as v from 'valibot'
import type { RunChoice } from '../model/request.ts'
import { nameSchema, type JobDefinition } from './job-definition.ts'
import { PlanError } from './plan-error.ts'

export type Container = JobDefinition['containers'][number]

/** Characters of a parameter's value: Linux takes at most 128 KiB for one variable. */
const longest = 30_000

/** One run of a job, with its container and the value of every parameter. */
export interface SettledChoice {
  name?: string | undefined
  container?: Container | undefined
  params: Record<string, string>
}

/**
 * What a start of the job runs: what was chosen, or else one run a container (or one) with the default parameters.
 * @throws {PlanError} naming every unknown parameter, choice and container, and what there is
 */
export function settleChoices(job: JobDefinition, runs: RunChoice[] | undefined): SettledChoice[] {
  if (runs !== undefined && runs.length > 0) return runs.map((run) => settleChoice(job, run))
  if (job.containers.length === 0) return [{ params: defaultsOf(job) }]
  return job.containers.map((container) => ({ container, params: defaultsOf(job) }))
}

/** The value that a parameter has where nobody chose one: its default, its first choice, or nothing. */
export function defaultOf({ choices, defval }: JobDefinition['params'][number]): string {
  return defval ?? choices?.[0] ?? ''
}

function defaultsOf(job: JobDefinition): Record<string, string> {
  return Object.fromEntries(job.params.map((param) => [param.name, defaultOf(param)]))
}

function settleChoice(job: JobDefinition, run: RunChoice): SettledChoice {
  const mistakes = [...nameMistakes(run), ...containerMistakes(job, run), ...paramMistakes(job, run)]
  if (mistakes.length > 0) throw new PlanError(`${run.name === undefined ? 'a run' : `the run "${run.name}"`} of the job ${job.name}: ${mistakes.join('; ')}`)
  const container = run.container === undefined ? job.containers[0] : job.containers.find(({ image }) => image === run.container)
  return { name: run.name, container, params: { ...defaultsOf(job), ...run.params } }
}

function nameMistakes({ name }: RunChoice): string[] {
  return name === undefined || v.is(nameSchema, name) ? [] : ['expected a name of 1 to 300 characters on one line']
}

function containerMistakes({ containers }: JobDefinition, { container }: RunChoice): string[] {
  const images = containers.map(({ image }) => image)
  if (container === undefined) return images.length > 1 ? [`expected a container, one of ${images.join(', ')}`] : []
  if (images.includes(container)) return []
  return [`unknown container "${container}", expected ${images.length === 0 ? 'none: the job lists no containers' : `one of ${images.join(', ')}`}`]
}

function paramMistakes(job: JobDefinition, { params = {} }: RunChoice): string[] {
  return Object.entries(params).flatMap(([name, value]) => {
    const param = job.params.find((one) => one.name === name)
    if (param === undefined) return [`unknown parameter "${name}", expected ${job.params.length === 0 ? 'none' : `one of ${job.params.map((one) => one.name).join(', ')}`}`]
    if (value.includes('\0') || value.length > longest) return [`parameter "${name}": expected text of at most ${longest} characters, without NUL`]
    if (param.choices !== undefined && !param.choices.includes(value)) return [`unknown choice "${value}" of the parameter "${name}", expected one of ${param.choices.join(', ')}`]
    return []
  })
}
