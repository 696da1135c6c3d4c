import * as v from 'valibot'
import { isMailbox } from '../model/mail.ts'
import { longestTimeout } from '../model/plan.ts'
import { requestVariables } from './environment.ts'

/** Names that Quern itself gives a run; a parameter of that name would hide it. */
const kept = new RegExp(`^(?:${requestVariables.join('|')}|CI|QUERN.*|BUILD_NUMBER|ARCHIVE_ROOT|TMPDIR|BASH_.*|BASHOPTS|SHELLOPTS|IFS|LD_.*)$`)

export const variable = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'expected the name of an environment variable: letters, digits and "_", no digit first'),
  v.check((name) => !kept.test(name), 'expected a name that Quern and bash do not set themselves'),
)

const words = v.pipe(v.string(), v.maxLength(10_000, 'expected at most 10,000 characters'), v.regex(/^[^\0]*$/, 'expected text without NUL'))

/** Text that may stand in the file as a number or a word like `yes`; see `textPlaces`. */
const writtenText = v.pipe(words, v.metadata({ written: true }))

/** What people name a job, a run, a group. */
export const nameSchema = v.pipe(v.string(), v.regex(/^[^\p{Cc}]{1,300}$/u, 'expected a name of 1 to 300 characters on one line'))

/** An image as podman and docker name it. */
export const imageSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,299}$/, 'expected the name of an image, like ubuntu or registry.example.org/tools:3'))

const container = v.strictObject({
  image: v.pipe(imageSchema, v.description('The image that the job runs in. It names the container when the job is started.')),
  host_tag: v.optional(v.pipe(v.string(), v.regex(/^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,99})$/, 'expected a word like amd64'), v.description('Only a host with this tag (HOST_TAGS) runs it.'))),
})

const param = v.pipe(
  v.strictObject({
    name: v.pipe(variable, v.description('Becomes an environment variable of the script.')),
    description: v.optional(words),
    choices: v.optional(v.pipe(v.array(writtenText), v.minLength(1, 'expected at least one choice'), v.description('The values that it may have, the first is the default. Without choices it takes any text.'))),
    defval: v.optional(v.pipe(writtenText, v.description('The default, where it is not the first choice.'))),
  }),
  v.forward(v.check(({ choices, defval }) => choices === undefined || defval === undefined || choices.includes(defval), 'expected one of the choices'), ['defval']),
)

export const environment = v.record(variable, writtenText)

/** What a service may be called, since runs reach it under its name. */
export const hostName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const service = v.strictObject({
  name: v.pipe(v.string(), v.regex(hostName, 'expected a host name: small letters, digits and "-"'), v.description('Other runs reach it under this host name.')),
  image: imageSchema,
  script: v.pipe(words, v.description('Bash that starts it in the foreground, e.g. "exec docker-entrypoint.sh postgres".')),
  env: v.optional(environment, {}),
})

const notification = v.strictObject({
  type: v.picklist(['email'], 'expected "email"'),
  users: v.pipe(v.array(v.pipe(v.string(), v.check(isMailbox, 'expected an e-mail address'))), v.minLength(1, 'expected at least one address')),
  only_failures: v.optional(v.literal(true, 'expected true: mail goes out on failure only')),
})

const retention = v.strictObject({
  unit: v.picklist(['days', 'builds'], 'expected "days" or "builds"'),
  value: v.pipe(v.number(), v.integer('expected a whole number'), v.minValue(1, 'expected at least 1')),
})

export const relativeGlob = v.pipe(
  v.string(),
  v.minLength(1, 'expected a glob'),
  v.maxLength(1000),
  v.check((glob) => !glob.startsWith('/') && !glob.split('/').includes('..'), 'expected a glob below the workspace, without a leading "/" and without ".."'),
)

const absolutePath = v.pipe(
  v.string(),
  v.regex(/^\/[^\0:,]*$/, 'expected an absolute path without ":" and ","'),
  v.check((path) => !path.split('/').includes('..'), 'expected a path without ".."'),
)

const mount = v.strictObject({
  from: v.pipe(absolutePath, v.description('A directory of the host that quern.yaml grants.')),
  to: v.optional(v.pipe(absolutePath, v.description('Where the job sees it; the same path where it is left out.'))),
  readonly: v.optional(v.boolean(), true),
})

const sizes: Record<string, number> = { m: 1, g: 1024 }

const memoryForms = 'expected MiB as a number, or text like 512m or 2g'

/** MiB, from a number of them or from text with a unit. */
export const memory = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d{1,9}[mgMG]$/, memoryForms))], memoryForms),
  v.transform((size) => (typeof size === 'number' ? size : Number(size.slice(0, -1)) * sizes[size.slice(-1).toLowerCase()]!)),
  v.check((mib) => Number.isInteger(mib) && mib >= 16 && mib <= 16 * 1024 * 1024, 'expected between 16 MiB and 16 TiB'),
)

const filters = (meaning: string) => v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(1000))), v.minLength(1, 'expected at least one glob'), v.description(meaning)))

/** A job definition as it stands in job-defs/*.yml. BYA's keys first, then Quern's further ones. */
export const jobDefinitionSchema = v.pipe(
  v.strictObject({
    description: v.optional(words),
    timeout: v.optional(v.pipe(v.number(), v.gtValue(0, 'expected minutes, more than 0'), v.maxValue(longestTimeout, 'expected at most 30,000 minutes'), v.description('Minutes until a run is ended; BUILD_TIMEOUT where it is left out.'))),
    archive: v.optional(v.pipe(v.boolean(), v.description('Whether everything that the script puts into $ARCHIVE_ROOT is kept.')), true),
    containers: v.optional(v.pipe(v.array(container), v.check((items) => areDistinct(items.map((item) => item.image)), 'expected every image once')), []),
    params: v.optional(v.pipe(v.array(param), v.check((items) => areDistinct(items.map((item) => item.name)), 'expected every parameter once')), []),
    secrets: v.optional(v.pipe(v.array(variable), v.description('Names of secrets that the script gets as environment variables.')), []),
    notify: v.optional(v.pipe(v.array(notification), v.description('Who is mailed on failure, besides the committer.')), []),
    retention: v.optional(v.pipe(retention, v.description('How long the records are kept.'))),
    script: v.pipe(v.string(), v.minLength(1, 'expected bash text'), v.maxLength(500_000), v.regex(/^[^\0]*$/, 'expected text without NUL'), v.description('Bash. Without a #! line it stops at the first command that fails.')),

    env: v.optional(environment, {}),
    needs: v.optional(v.pipe(v.array(nameSchema), v.description('Jobs that must have passed before: of the same folder, or with their folder.')), []),
    workspace: v.optional(v.pipe(nameSchema, v.description('"commit": a fresh work tree; "none": an empty directory; the name of a needed job: the tree that it left.'))),
    services: v.optional(v.pipe(v.array(service), v.check((items) => areDistinct(items.map((item) => item.name)), 'expected every service once')), []),
    artifacts: v.optional(v.pipe(v.array(relativeGlob), v.description('Globs below the workspace of files to keep.')), []),
    network: v.optional(v.pipe(v.boolean(), v.description('Off with false. Untrusted requests get it only where quern.yaml grants it.')), true),
    memory: v.optional(memory),
    cpus: v.optional(v.pipe(v.number(), v.gtValue(0, 'expected more than 0'), v.maxValue(1024))),
    executor: v.optional(v.picklist(['shell', 'sandbox', 'container'], 'expected "shell", "sandbox" or "container"')),
    refs: filters('Only requests for these refs or branches are built.'),
    paths: filters('Only requests that change a file of these are built.'),
    mounts: v.optional(v.array(mount), []),
    engine: v.optional(v.pipe(v.boolean(), v.description('The script drives podman or docker, where quern.yaml grants it: in the shell of this host, or, where executor or containers say otherwise, through a socket under mounts.')), false),
    deploy: v.optional(v.pipe(v.boolean(), v.description('It acts on the world: it is never repeated and never runs for untrusted requests.')), false),
    reuse: v.optional(v.pipe(v.boolean(), v.description('Whether its verdict on a tree is taken again where the same tree is asked for; without a word where it has no network and no secrets, and its script names no value of the request.'))),
    concurrency: v.optional(v.pipe(nameSchema, v.description('Only one run of this group executes at a time; $BRANCH and other variables of the run are replaced.'))),
    supersede: v.optional(v.pipe(v.boolean(), v.description('A newer request for the same ref cancels older builds.')), false),
  }),
  v.forward(v.check(({ executor, containers }) => executor !== 'container' || containers.length > 0, 'expected at least one container, since the executor is "container"'), ['containers']),
  v.forward(v.check(({ workspace, needs }) => workspace === undefined || workspace === 'commit' || workspace === 'none' || needs.includes(workspace), 'expected "commit", "none" or one of the needs'), ['workspace']),
  v.forward(v.check(({ script }) => isBash(script), 'expected bash: its #! line asks for another program'), ['script']),
  v.forward(v.check((job) => job.services.length === 0 || askedExecutor(job) === 'container', 'expected none: only jobs in containers reach services'), ['services']),
  v.forward(v.check((job) => !job.engine || askedExecutor(job) === 'shell' || job.mounts.length > 0, 'expected it in the shell, without "containers", or beside the engine\'s socket under "mounts": by itself, neither a sandbox nor a container reaches podman or docker'), ['engine']),
  v.forward(v.check((job) => askedExecutor(job) !== 'shell' || job.mounts.length === 0, 'expected none: the executor "shell" sees the host as it is'), ['mounts']),
)
type JobSettings = v.InferOutput<typeof jobDefinitionSchema>

/** Where numbers and words like `yes` are text as they stand in the file. */
export const textPlaces = ['params.*.choices.*', 'params.*.defval', 'env.*', 'services.*.env.*']

/** A job definition and where it came from. */
export interface JobDefinition extends JobSettings {
  /** Path below job-defs without its ending: folders are groups. */
  name: string
  /** The file's path, for messages. */
  file: string
}

type Place = 'shell' | 'sandbox' | 'container'

/**
 * Where its runs are executed, if the request may ask for that: isolated, too, where it names no image. One that is granted
 * the engine is in the shell without a word, where the engine is: who drives that rules this host anyway.
 */
export function askedExecutor({ executor, containers, engine, mounts }: { executor?: Place | undefined; containers: unknown[]; engine: boolean; mounts: unknown[] }): Place {
  if (executor !== undefined) return executor
  if (containers.length > 0) return 'container'
  return engine && mounts.length === 0 ? 'shell' : 'sandbox'
}

function areDistinct(words: string[]): boolean {
  return new Set(words).size === words.length
}

function isBash(script: string): boolean {
  return !script.startsWith('#!') || /^#![^\n]*\b(?:ba)?sh\b/.test(script)
}
