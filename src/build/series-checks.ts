import { pageAddress } from '../model/address.ts'
import { parseBuildName } from '../model/build.ts'
import { checkDescription, checkReport, checkTargetUrl, type PatchworkCheck } from '../publish/patchwork-check.ts'
import type { Report } from '../publish/publisher.ts'
import type { Series } from '../model/request.ts'
import { contextsOf } from './blame/judge-patches.ts'
import type { Judgement } from './blame/judge-run.ts'
import type { Settled } from './workshop.ts'

/** What the checks of one build are about. */
interface Subject {
  /** `<pipeline>/<number>` */
  build: string
  series: Series
  /** Where this server's pages are, if it has any. */
  publicUrl: string | undefined
}

/** Checks that say what is to come, and those on the commit messages, which are known already. */
export function checksAtStart(subject: Subject, { plan, request, messages = new Map() }: Settled): Report[] {
  const pending = contextsOf(plan, request).map(({ patch, context, run }) => checkOn(subject, { patch, context, state: 'pending', description: 'waits for its turn' }, run))
  const warnings = [...messages].flatMap(([patch, found]) => found.map(({ context, description }) => checkOn(subject, { patch, context, state: 'warning', description })))
  return reportsOf(subject, [...pending, ...warnings], new Date().toISOString())
}

/** A check for each judgement. */
export function checksAtEnd(subject: Subject, judgements: Judgement[], ended: string): Report[] {
  const checks = judgements.map(({ patch, context, state, line, excerpt, run, build = subject.build }) => checkOn({ ...subject, build }, { patch, context, state, description: checkDescription(line, excerpt) }, run))
  return reportsOf(subject, checks, ended)
}

function checkOn(subject: Subject, check: Pick<PatchworkCheck, 'patch' | 'context' | 'state' | 'description'>, run?: string): PatchworkCheck {
  const { server, project, id } = subject.series
  const page = pageOf(subject, run)
  return { server, project, series: id, ...check, ...(page !== undefined && { target_url: page }) }
}

/** The run's page; the build's where there is no run, or the server would not take so long an address. */
function pageOf({ build, publicUrl }: Subject, run: string | undefined): string | undefined {
  const id = parseBuildName(build)!
  return checkTargetUrl(pageAddress(publicUrl, id, run)) ?? checkTargetUrl(pageAddress(publicUrl, id))
}

function reportsOf({ build }: Subject, checks: PatchworkCheck[], created: string): Report[] {
  return checks.map((check) => checkReport(build, check, created))
}
