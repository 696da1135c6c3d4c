import { pipelineMark } from './is-pipeline.ts'

/** Options that a pipeline and a stage hand down to their jobs; what is nearer to the job wins, and `env` adds up. */
export interface SharedOptions {
  /** The image of a container to run in. Without one, jobs run in the sandbox. */
  image?: string
  /** Where there is no image: the sandbox, unless `shell` asks for this host itself (trusted requests only). */
  executor?: 'shell' | 'sandbox' | 'container'
  env?: Record<string, string | number | boolean>
  /** Names of secrets that the job gets as environment variables. */
  secrets?: readonly string[]
  /** Globs below the workspace of files to keep. */
  artifacts?: readonly string[]
  /** Minutes until it is ended. */
  timeout?: number
  /** `false` switches it off. */
  network?: boolean
  /** MiB, or text like `512m` or `2g`. */
  memory?: number | string
  cpus?: number
  /** `commit` (what is not said): a fresh work tree; `none`: an empty directory. */
  workspace?: 'commit' | 'none' | { from: string | Job }
  /**
   * Whether its verdict on a tree is taken again where the same tree is asked for. Without a word: where it has no network
   * and no secrets, and its script names neither a value of the request nor $QUERN_SHARED, of which it is then told nothing.
   */
  reuse?: boolean
}

/** Options of one job. */
export interface JobOptions extends SharedOptions {
  /** Jobs of the same stage, or of earlier ones, that must have passed before. */
  needs?: readonly (string | Job)[]
  /** Runs beside the jobs of its stage and of later ones, which reach it under its name, and is stopped at the end. */
  service?: boolean
  /** Of a service: bash that succeeds once it can be used, tried again and again inside it. */
  ready?: string
  /** Acts on the world: never repeated, never taken from a stored verdict, never run for untrusted requests. */
  deploy?: boolean
  /** At most one run of a group at a time, over all builds. */
  group?: string
}

export type StageOptions = SharedOptions

export interface PipelineOptions extends SharedOptions {
  /** A newer request for the same ref cancels older builds. */
  supersede?: boolean
  /** Addresses that are mailed on failure, besides the committer. */
  notify?: readonly string[]
}

/** A job that was defined, for `needs` and `workspace` of others. */
export interface Job {
  readonly name: string
}

/** What is to be built. */
export interface Repo {
  /** The repository's short name. */
  name: string
  /** `owner/name`, where the owner is known. */
  fullName?: string
  sha: string
  /** The full ref. */
  ref: string
  /** Of a push to a branch only: a pull request and a tag have none. */
  branch?: string
  tag?: string
  message: string
  author: { name: string; email: string }
  committer: { name: string; email: string }
  /** Paths that differ from the base: the commit before the push, or where the pull request goes. Absent where it cannot be known, as for a new branch. */
  files?: string[]
  pullRequest?: { number: number; base: string; url?: string }
  /** Whether somebody with write access sent it. */
  trusted: boolean
  /** Whether a changed file is among these globs; yes, where it is not known what changed. */
  changed(...globs: string[]): boolean
}

type MatrixValue = string | number | boolean

/** What a pipeline's function defines its jobs with. */
export interface PipelineContext {
  readonly repo: Repo
  /** Defines a job: bash that stops at the first command that fails. */
  job(name: string, script: string, options?: JobOptions): Job
  /** Jobs defined in `define` start once those before the stage have passed, beside each other unless they need each other. Jobs after the stage wait for it. */
  stage(name: string, define: () => void): void
  stage(name: string, options: StageOptions, define: () => void): void
  /** Every combination of the values, the first name's values changing slowest. */
  matrix<const T extends Record<string, readonly MatrixValue[]>>(values: T): { [K in keyof T]: T[K][number] }[]
}

/** A pipeline as its file exports it; what it asks for is known once it is evaluated for a request. */
export interface Pipeline {
  readonly options: PipelineOptions
  readonly define: (p: PipelineContext) => void | Promise<void>
}

/** Makes a pipeline; the file's default export is one. */
export function pipeline(define: Pipeline['define']): Pipeline
export function pipeline(options: PipelineOptions, define: Pipeline['define']): Pipeline
export function pipeline(first: PipelineOptions | Pipeline['define'], second?: Pipeline['define']): Pipeline {
  const [options, define] = typeof first === 'function' ? [{}, first] : [first, second]
  if (typeof define !== 'function') throw new TypeError('pipeline() expected a function that defines the jobs: pipeline({ … }, (p) => { p.job(…) })')
  return Object.assign({ options, define }, { [pipelineMark]: true })
}
