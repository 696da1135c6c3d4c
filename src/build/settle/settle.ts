import { join } from 'node:path'
import { cloneToken } from '../../git/clone-token.ts'
import type { DiskWatch } from '../../executor/disk/watch.ts'
import type { Commit, Mirror } from '../../git/mirror.ts'
import type { Mirrors } from '../../git/mirrors.ts'
import { isNoreply } from '../../model/mail.ts'
import type { Plan } from '../../model/plan.ts'
import { asksToSkip, isTrusted, namesCommit, type Request, type Series } from '../../model/request.ts'
import type { Grants as SecretGrants } from '../../secrets/granted-secrets.ts'
import { PipelineError } from '../../plan/pipeline/pipeline-error.ts'
import { ownPipeline, ownPipelines, settlePlan, type Choice, type PlanSettings } from '../../plan/choose.ts'
import { cloneUrlOf } from '../../plan/clone-url.ts'
import { openDisclosure } from './disclose.ts'
import type { Evaluate } from './evaluate-pipeline.ts'
import { originOf } from './origin.ts'
import type { SeriesSource } from './series-tree.ts'
import { openTurns } from '../turns.ts'
import type { Workshop } from '../workshop.ts'

export interface SettlerSettings {
  /** Where mirrors are kept. */
  cache: string
  /** What git may know of our own environment, see `gitWorld`. */
  gitWorld: Record<string, string>
  /** For private clones over https, and the only host that gets it. */
  token: Parameters<typeof cloneToken>[1]
  choose: (request: Request) => Choice
  plan: PlanSettings
  /** What is built, where it is not fetched from its server. */
  mirror?: Mirror
  /** Evaluates the pipeline file of a commit. */
  evaluate: Evaluate
  /** Watches what a checkout takes of the disk. */
  guardWork: DiskWatch['guardWork']
  /** Where this server's secrets and keys are, which of the files `secrets/<name>.enc` it uses, and who may have which. */
  home: string
  secretsEnv: string
  secretGrants: SecretGrants
  /** The project of quern.yaml that a mailed series is of. */
  seriesSource: (series: Series) => SeriesSource | undefined
}

/** Where an untrusted run finds a read-only mirror of its repository, in place of the server that it may not reach. */
export const mirrorInside = '/quern/repository.git'

/**
 * Opens the first step of a build: choose the pipeline, fetch what it needs to know of the commit, settle the plan.
 * Script chunks of trusted requests check out by themselves, so for these no git is run at all, unless the commit may
 * have a pipeline of its own.
 */
export function openSettler(settings: SettlerSettings): Workshop['settle'] {
  const turns = openTurns()
  return async (request, signal, leaveSeat = () => undefined) => {
    if (request.series !== undefined) {
      const { settleSeries } = await import('./settle-series.ts')
      return settleSeries(request, request.series, { settings, turns, signal, leaveSeat })
    }
    const named = settings.choose(request)
    const mirror = settings.mirror ?? (wantsMirror(request, named) ? await fetchMirror(request, settings, signal) : undefined)
    const chosen = (await ownChoice(named, request, mirror)) ?? named
    const commit = mirror && (await mirror.readCommit(request.commit_id))
    const known = commit === undefined ? request : withWordsOf(commit, request)
    const reason = await leftOut(known, chosen, mirror)
    if (reason !== undefined) return { ignored: reason }
    const changedFiles = mirror && (await filesChanged(mirror, known))
    const checkOut = mirror && ((directory: string) => checkOutFrom(mirror, known, { directory, settings, signal }))
    const evaluate: PlanSettings['evaluate'] = checkOut && ((path, repo) => settings.evaluate({ path, repo, request: known, checkOut }, signal))
    const origin = mirror && commit && originOf(mirror, known, commit)
    const planned = await settlePlan(known, chosen, { ...settings.plan, changedFiles, evaluate }).catch((error: unknown) => mistakeIn(chosen, error))
    if ('ignored' in planned) return planned
    if ('mistake' in planned) return { ...planned, request: known, ...(origin && { origin }) }
    const disclose = openDisclosure(settings, { request: known, plan: planned, mirror })
    if (mirror === undefined || origin === undefined || checkOut === undefined) return { plan: planned, request: known, disclose }
    return { disclose, plan: isTrusted(known) ? planned : withMirrorInside(planned, mirror), request: known, origin, checkOut }
  }
}

/** A pipeline file with a mistake is the project's failure, no fault of ours. */
export function mistakeIn({ pipeline, why }: Choice, error: unknown): { mistake: PipelineError; plan: Plan } {
  if (!(error instanceof PipelineError)) throw error
  return { mistake: error, plan: { pipeline, why, runs: [], notify: [] } }
}

function wantsMirror(request: Request, { pipeline, unlessOwn = false }: Choice): boolean {
  return namesCommit(request) && (pipeline !== 'chunks' || unlessOwn || !isTrusted(request))
}

/** A commit that is built for the sake of another one is built whatever it says of itself, where it has that pipeline. */
async function leftOut({ blame, pull_request: pull, commit_id: commit, message = '' }: Request, chosen: Choice, mirror: Mirror | undefined): Promise<string | undefined> {
  if (blame === undefined) return pull !== undefined && asksToSkip(message) ? 'the commit says [skip ci]' : undefined
  return lackingFile(chosen, commit, mirror)
}

/** That the commit has no such pipeline file, where the pipeline is one. */
export async function lackingFile({ pipeline }: Choice, commit: string, mirror: Mirror | undefined): Promise<string | undefined> {
  const path = /^file:(.+)$/.exec(pipeline)?.[1]
  return path !== undefined && (await mirror?.readFile(commit, path)) === undefined ? `the commit has no ${path}` : undefined
}

/** The commit's own pipeline, where it has one and nothing else was named. */
async function ownChoice(named: Choice, { commit_id: commit }: Request, mirror: Mirror | undefined): Promise<Choice | undefined> {
  if (mirror === undefined || !named.unlessOwn) return undefined
  for (const path of ownPipelines) if ((await mirror.readFile(commit, path)) !== undefined) return ownPipeline(named, path)
  return undefined
}

async function fetchMirror(request: Request, settings: SettlerSettings, signal: AbortSignal): Promise<Mirror> {
  const url = cloneUrlOf(request, settings.plan.clone)
  const mirrors = await openMirrorsFor(url, request, settings)
  const fetch = (stop: AbortSignal) => mirrors.fetchMirror(url, { commit: request.commit_id, refs: [request.ref], commitOnly: request.blame !== undefined, token: cloneToken(url, settings.token), signal: stop })
  if (isTrusted(request)) return fetch(signal)
  // Nothing is in that directory: what a fetch takes is seen by what it leaves of the disk.
  return settings.guardWork({ workspace: join(settings.cache, 'incoming'), untrusted: true }, signal, fetch)
}

/** Paths of this host are for those whom this server trusts: they reach whatever its user can read. */
async function openMirrorsFor(url: string, request: Request, { cache, gitWorld, plan }: SettlerSettings): Promise<Mirrors> {
  const { openMirrors } = await import('../../git/mirrors.ts')
  const base = plan.clone.CLONE_BASE.replace(/\/+$/, '')
  const ours = isTrusted(request) || (base !== '' && `${url}/`.startsWith(`${base}/`))
  return openMirrors(cache, { env: gitWorld, localPaths: ours && /^(?:\/|file:)/.test(url) })
}

async function checkOutFrom(mirror: Mirror, request: Request, { directory, settings, signal }: { directory: string; settings: SettlerSettings; signal: AbortSignal }) {
  const { checkOutWatched } = await import('./check-out-watched.ts')
  const mirrors = await openMirrorsFor(mirror.url, request, settings)
  const token = cloneToken(mirror.url, settings.token)
  return checkOutWatched({ mirrors, mirror, commit: request.commit_id, directory, trusted: isTrusted(request), token, signal }, settings)
}

/**
 * A pull request's body names neither people nor message: the commit does. What the request says already stays, but a name
 * without an address, like that of who starts a job by hand, is no word about the person whose address is taken.
 */
function withWordsOf({ committer, author, message }: Commit, request: Request): Request {
  const found = isNoreply(committer.email) ? author : committer
  const person = request.committer_email === '' ? found : { name: request.committer_name || found.name, email: request.committer_email }
  return {
    ...request,
    committer_name: person.name,
    committer_email: person.email,
    author_name: request.author_name ?? author.name,
    author_email: request.author_email ?? author.email,
    message: request.message ?? message,
  }
}

/** Undefined where it cannot be known: a new branch, or a forced push whose old commit is gone. What another commit's failure is compared with has all jobs. */
async function filesChanged(mirror: Mirror, request: Request): Promise<string[] | undefined> {
  const base = request.blame === undefined ? (request.before ?? request.pull_request?.base_commit) : undefined
  if (base === undefined || !(await mirror.hasCommit(base))) return undefined
  return mirror.changedFiles(base, request.commit_id)
}

/** An untrusted run has no network: it clones from a mirror that it can only read. Git takes it although another user owns it. */
export function withMirrorInside(plan: Plan, { directory }: Mirror): Plan {
  const git = { CLONE_URL: mirrorInside, GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }
  return {
    ...plan,
    runs: plan.runs.map((run) => ({
      ...run,
      env: { ...run.env, ...git },
      mounts: [...(run.mounts ?? []), { from: directory, to: mirrorInside, readonly: true, portable: true }],
    })),
  }
}
