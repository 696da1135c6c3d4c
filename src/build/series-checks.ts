import { checkDescription, checkReport, type PatchworkCheck } from '../publish/patchwork-check.ts'
import type { Report } from '../publish/publisher.ts'
import type { Series } from '../model/request.ts'
import { contextsOf, type Judgement } from './judge-patches.ts'
import type { Settled } from './workshop.ts'

/** Checks that say what is to come, and those on the commit messages, which are known already. */
export function checksAtStart(build: string, { plan, messages = new Map() }: Settled, series: Series): Report[] {
  const pending = contextsOf(plan).map(({ patch, context }) => checkOn(series, { patch, context, state: 'pending', description: 'waits for its turn' }))
  const warnings = [...messages].flatMap(([patch, found]) => found.map(({ context, description }) => checkOn(series, { patch, context, state: 'warning', description })))
  return reportsOf(build, [...pending, ...warnings], new Date().toISOString())
}

/** A check for each judgement. */
export function checksAtEnd(build: string, judgements: Judgement[], { series, ended }: { series: Series; ended: string }): Report[] {
  const checks = judgements.map(({ patch, context, state, line, excerpt }) => checkOn(series, { patch, context, state, description: checkDescription(line, excerpt) }))
  return reportsOf(build, checks, ended)
}

function checkOn({ server, project, id }: Series, check: Pick<PatchworkCheck, 'patch' | 'context' | 'state' | 'description'>): PatchworkCheck {
  return { server, project, series: id, ...check }
}

function reportsOf(build: string, checks: PatchworkCheck[], created: string): Report[] {
  return checks.map((check) => checkReport(build, check, created))
}
