import * as v from 'valibot'
import { asksToSkip, parseRequest, RequestError, type Request } from '../model/request.ts'
import { reachable, type Person } from './reachable.ts'

/** What a delivery asks for: a request, or nothing, and why. The request is not built again where a push of `pushedAs` is. */
export type Asked = { request: Request; pushedAs?: string } | { ignored: string; request?: Request }

/** What the headers of a delivery say. */
export interface Delivery {
  /** The event's name, like `push`. */
  event: string
  /** Unique per hook; a redelivery has the same. */
  id: string
  hook: string
  source: 'github' | 'gitea'
  pipeline?: string | undefined
}

/**
 * Reads the body of a delivery of GitHub, or of Gitea and Forgejo, which send the same with small differences.
 * Bodies: https://docs.github.com/en/webhooks/webhook-events-and-payloads
 * @throws {RequestError} naming each field that is not as it must be
 */
export function readDelivery(delivery: Delivery, body: unknown): Asked {
  if (delivery.event === 'push') return readPush(delivery, check(pushSchema, body))
  if (delivery.event === 'pull_request') return readPullRequest(delivery, check(pullRequestSchema, body))
  return { ignored: `the event ${delivery.event} builds nothing` }
}

const personSchema = v.object({ name: v.nullish(v.string(), ''), email: v.nullish(v.string(), '') })

const commitSchema = v.object({
  id: v.string(),
  message: v.nullish(v.string(), ''),
  author: v.nullish(personSchema),
  committer: v.nullish(personSchema),
})

const repositorySchema = v.object({ name: v.string(), full_name: v.nullish(v.string()), clone_url: v.nullish(v.string()) })

const pushSchema = v.object({
  ref: v.string(),
  before: v.nullish(v.string(), ''),
  after: v.nullish(v.string(), ''),
  deleted: v.nullish(v.boolean(), false),
  head_commit: v.nullish(commitSchema),
  commits: v.optional(v.unknown()),
  repository: repositorySchema,
  /** Gitea's pusher is a user, who has a login and a full name. */
  pusher: v.nullish(v.object({ ...personSchema.entries, login: v.nullish(v.string(), ''), full_name: v.nullish(v.string(), '') })),
})
type Push = v.InferOutput<typeof pushSchema>

const tipSchema = v.object({ ref: v.string(), sha: v.string(), repo: v.nullish(v.object({ id: v.number() })) })

const pullRequestSchema = v.object({
  action: v.string(),
  number: v.number(),
  /** What was its head before a push; GitHub says it. */
  before: v.nullish(v.string()),
  pull_request: v.object({ html_url: v.nullish(v.string()), head: tipSchema, base: tipSchema }),
  repository: repositorySchema,
})
type PullRequest = v.InferOutput<typeof pullRequestSchema>

function readPush(delivery: Delivery, push: Push): Asked {
  if (push.deleted || isNoCommit(push.after)) return { ignored: 'the ref was deleted' }
  const commit = push.head_commit ?? headAmong(push)
  const pusher = push.pusher && { name: push.pusher.name || push.pusher.full_name || push.pusher.login, email: push.pusher.email }
  const committer = reachable([commit?.committer, commit?.author, pusher])
  // V8 takes 20 times as long where what is spread comes first.
  const request = parseRequest({
    ref: push.ref,
    commit_id: commit?.id ?? push.after,
    committer_name: committer.name,
    committer_email: committer.email,
    trusted: true,
    before: push.before === '' || isNoCommit(push.before) ? undefined : push.before,
    message: commit?.message,
    ...named('author', commit?.author),
    ...named('pusher', pusher),
    ...common(delivery, push.repository),
  })
  return asksToSkip(commit?.message ?? '') ? { ignored: 'the head commit says [skip ci]', request } : { request }
}

/** Gitea before 1.15 sends no head_commit, but the commit is among the others, of which there may be thousands. */
function headAmong({ commits, after }: Push): v.InferOutput<typeof commitSchema> | undefined {
  const head = Array.isArray(commits) ? commits.find((commit: unknown) => v.is(v.object({ id: v.literal(after) }), commit)) : undefined
  return head === undefined ? undefined : check(commitSchema, head)
}

/** The body carries neither committer nor message: both are read from the commit once it is checked out. */
function readPullRequest(delivery: Delivery, { action, number, before, pull_request: { head, base, html_url: url }, repository }: PullRequest): Asked {
  // Gitea and Forgejo say "synchronized".
  if (!['opened', 'reopened', 'synchronize', 'synchronized'].includes(action)) return { ignored: `a pull request that was ${action} builds nothing` }
  // The head's repository is null where a fork was deleted, so that only two equal ids mean the same repository. Whoever
  // may only read it can open a pull request there by a push to refs/for/ (AGit, https://docs.gitea.com/usage/agit): the
  // head is then no branch but the pull request's own ref.
  const own = head.repo != null && head.repo.id === base.repo?.id && !head.ref.startsWith('refs/')
  const request = parseRequest({
    ...common(delivery, repository),
    ref: `refs/pull/${number}/head`,
    commit_id: head.sha,
    committer_name: '',
    committer_email: '',
    trusted: own,
    pull_request: { number, base_ref: `refs/heads/${base.ref}`, base_commit: base.sha, before: before || undefined, url: url ?? undefined },
  })
  return own ? { request, pushedAs: `refs/heads/${head.ref}` } : { request }
}

function common(delivery: Delivery, repository: v.InferOutput<typeof repositorySchema>): Partial<Record<keyof Request, unknown>> {
  return {
    repository: repository.name,
    full_name: repository.full_name || undefined,
    clone_url: repository.clone_url || undefined,
    source: delivery.source,
    hook: delivery.hook,
    delivery: delivery.id,
    pipeline: delivery.pipeline,
    received: new Date().toISOString(),
  }
}

function named(role: 'author' | 'pusher', person: Person | null | undefined): Record<string, string | undefined> {
  return { [`${role}_name`]: person?.name || undefined, [`${role}_email`]: person?.email || undefined }
}

/** Forges write a commit that is not there as zeros. */
function isNoCommit(id: string): boolean {
  return /^0+$/.test(id)
}

function check<Schema extends v.GenericSchema>(schema: Schema, body: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, body)
  if (result.success) return result.output
  throw new RequestError(result.issues.map((issue) => `${v.getDotPath(issue) ?? 'the body'}: ${issue.message}`).join('; '))
}
