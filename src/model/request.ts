import * as v from 'valibot'
import { describeIssue } from './issue.ts'

/** Where requests come from. */
const sources = ['github', 'gitea', 'patchwork', 'api', 'schedule', 'command'] as const

const sha = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'expected a full commit id of 40 or 64 hexadecimal digits'),
)

const shortName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_.-]{1,100}$/, 'expected a repository name of letters, digits, ".", "_" and "-", at most 100'),
  v.check((name) => !/^\.\.?$/.test(name), 'expected a repository name, not "." or ".."'),
)

const fullName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}(?:\/[A-Za-z0-9_.-]{1,100}){1,5}$/, 'expected owner/name'),
  v.check((name) => !name.split('/').some((part) => /^\.\.?$/.test(part)), 'expected owner/name without "." or ".." as a part'),
)

const ref = v.pipe(v.string(), v.check(isRef, 'expected a ref that git accepts (git help check-ref-format), at most 1,000 characters'))

/** A person's words for display: control characters become blanks, and no more than 300 characters are kept. */
const words = v.pipe(
  v.string(),
  v.transform((text) => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim().slice(0, 300)),
)

const text = v.pipe(v.string(), v.transform((long) => long.replaceAll('\0', ' ').slice(0, 10_000)))

/** Whoever reads a plan, a log or a page would read it. */
export const withoutPassword = v.check<string, string>((url) => !/^https?:\/\/[^/@]*:[^/@]*@/.test(url), 'expected no password in it, since every plan and log would show it: give it as CLONE_TOKEN')

/** A URL has no blanks, but a directory on this machine may. */
const cloneUrl = v.pipe(
  v.string(),
  v.maxLength(2000),
  v.regex(/^(?:(?:https?:\/\/|ssh:\/\/|git:\/\/|file:\/\/|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:)[^\p{Cc}\s]+|\/[^\p{Cc}\u2028\u2029]+)$/u, 'expected a URL that git can clone'),
  withoutPassword,
)

/** One run that somebody chose at the start of a job: a container and values for its parameters. */
const runChoiceSchema = v.object({
  name: v.optional(v.string()),
  container: v.optional(v.string()),
  params: v.optional(v.record(v.string(), v.string()), {}),
})
export type RunChoice = v.InferOutput<typeof runChoiceSchema>

/** A mailed series of patches, as a Patchwork server knows it. The patches stand in the order in which they apply. */
const seriesSchema = v.object({
  /** The server's address, without a slash at the end. */
  server: v.pipe(v.string(), v.maxLength(500)),
  project: v.pipe(v.string(), v.maxLength(200)),
  id: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** 2 for `[PATCH v2 …]`. */
  version: v.pipe(v.number(), v.integer(), v.minValue(1)),
  name: words,
  submitter: v.object({ name: words, email: words }),
  /** The cover letter: its id on the server, and its Message-ID with the angle brackets. */
  cover: v.optional(v.object({ id: v.number(), msgid: v.string() })),
  patches: v.pipe(
    v.array(v.object({ id: v.pipe(v.number(), v.integer(), v.minValue(1)), msgid: v.string(), name: words, n: v.pipe(v.number(), v.integer(), v.minValue(1)) })),
    v.minLength(1),
  ),
  /** Whether every patch is built in order, or only the last. */
  each_patch: v.boolean(),
  /** All pipelines that build the series, each by an entry of its own: its author is answered when they are decided. */
  pipelines: v.optional(v.array(v.string())),
})
export type Series = v.InferOutput<typeof seriesSchema>

/**
 * What someone asks to have built. The first five keys are amp_ci's, and enough; in JSON, as at rest in the queue.
 * An entry that names its source must also say whether it is trusted.
 */
const requestSchema = v.pipe(
  v.object({
    repository: shortName,
    ref,
    commit_id: sha,
    committer_name: words,
    committer_email: words,
    full_name: v.optional(fullName),
    clone_url: v.optional(cloneUrl),
    source: v.optional(v.picklist(sources)),
    /** Whether somebody with write access to the repository sent it. Untrusted code gets nothing (law 4). */
    trusted: v.optional(v.boolean()),
    hook: v.optional(v.pipe(v.string(), v.maxLength(120))),
    /** The id under which the source delivered it, unique per hook. */
    delivery: v.optional(v.pipe(v.string(), v.maxLength(200))),
    /** The commit that the ref pointed to before the push; absent for a new ref. */
    before: v.optional(sha),
    author_name: v.optional(words),
    author_email: v.optional(words),
    pusher_name: v.optional(words),
    pusher_email: v.optional(words),
    message: v.optional(text),
    pull_request: v.optional(
      v.object({ number: v.pipe(v.number(), v.integer(), v.minValue(1)), base_ref: ref, base_commit: v.optional(sha), before: v.optional(sha), url: v.optional(v.string()) }),
    ),
    /** The mailed patches that are applied on commit_id before anything is built. */
    series: v.optional(seriesSchema),
    /** Which pipeline, where the request itself says so: `chunks`, `job:<name>` or `file:<path>`. */
    pipeline: v.optional(v.pipe(v.string(), v.maxLength(1000))),
    runs: v.optional(v.array(runChoiceSchema)),
    /** When it was accepted, ISO 8601 in UTC. */
    received: v.optional(v.string()),
    /** The build that this one repeats, as `<pipeline>/<number>`. */
    retry_of: v.optional(v.string()),
    /** Takes no verdict from an earlier build. */
    fresh: v.optional(v.boolean()),
    /** The commit is built only to tell whose a failure of another build is: these runs of it and what they need. Of a mailed series, `tip` is what it was to be applied on. */
    blame: v.optional(v.object({ for: v.string(), runs: v.array(v.string()), tip: v.optional(sha) })),
  }),
  // GitHub makes "-" of a name in another alphabet. Its builds are kept under its owner's name first.
  v.check(({ repository, full_name: fullName }) => !repository.startsWith('-') || fullName !== undefined, 'a "repository" that begins with "-" must come with its "full_name"'),
  v.check((request) => request.source === undefined || request.trusted !== undefined, 'an entry that names its "source" must state "trusted": true or false'),
)
export type Request = v.InferOutput<typeof requestSchema>

/** A request whose fields a stranger filled in wrongly: the message names the field and what was expected. */
export class RequestError extends Error {
  override name = 'RequestError'
}

/** Checks outside data and returns it as a request. @throws {RequestError} naming each wrong field */
export function parseRequest(data: unknown): Request {
  const result = v.safeParse(requestSchema, data)
  if (result.success) return result.output
  throw new RequestError(result.issues.map(describe).join('; '))
}

/** Whether the request may see secrets and run without isolation. Dropped in by hand, it is trusted: whoever can write to the queue owns it. */
export function isTrusted(request: Request): boolean {
  return request.trusted ?? request.source === undefined
}

/** Under this, a start of a job that builds no repository names its ref. No forge delivers pushes of such refs. */
export const jobRefs = 'refs/jobs/'

/**
 * Whether the request is about a commit. A job may also be started for itself: its ref is then below `refs/jobs/`, and
 * its `commit_id` the SHA-256 of the definition that was started.
 */
export function namesCommit(request: Request): boolean {
  return !request.ref.startsWith(jobRefs) || !startedByPerson(request)
}

/** Whether somebody asked for this build by name, rather than a change for its own sake. */
export function startedByPerson(request: Request): boolean {
  return request.source === undefined || request.source === 'command' || request.source === 'api'
}

/** Whether a commit's message says that nothing is to be built for it. */
export function asksToSkip(message: string): boolean {
  return /\[(?:skip ci|ci skip)\]/i.test(message)
}

/** The branch or tag that the ref names, without `refs/heads/` or `refs/tags/`. */
export function branchOf(request: Request): string {
  return request.ref.replace(/^refs\/(?:heads|tags)\//, '')
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  const message = issue.message.startsWith('Invalid ') ? describeIssue(issue) : issue.message
  return path === null ? message : `${path}: ${message}`
}

/** Git's own rules for a ref name, so that no git process is needed to refuse one: https://git-scm.com/docs/git-check-ref-format */
function isRef(name: string): boolean {
  if (name.length === 0 || name.length > 1000 || name.startsWith('-') || name === '@') return false
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$/.test(name)) return false
  return name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'))
}
