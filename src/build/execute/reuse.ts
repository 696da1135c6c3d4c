import { setImmediate as breathe } from 'node:timers/promises'
import { buildName, isRed, type RunResult } from '../../model/build.ts'
import type { Plan, PlannedRun } from '../../model/plan.ts'
import { isTrusted } from '../../model/request.ts'
import type { Attempt } from '../attempt.ts'
import { reusableRuns } from '../blame/reusable.ts'
import { verdictKeys } from '../blame/verdict-key.ts'
import type { Verdicts } from '../blame/verdicts.ts'
import type { Settled } from '../workshop.ts'
import { hasOutputs, sparedRuns, takeVerdict } from './take-verdict.ts'

/** What spares runs of a plan: verdicts on the same tree. */
export interface Reuse {
  /** The run's result, where a stored verdict spares it. */
  taken(run: PlannedRun): RunResult | undefined
  /** The same for a run that has its slot now: while it waited, another build may have tested the same tree. */
  takenMeanwhile(run: PlannedRun): Promise<RunResult | undefined>
  /** Stores a verdict for later builds of the same tree. */
  keep(run: PlannedRun, result: RunResult): Promise<void>
}

export async function openReuse(attempt: Attempt, { plan, request, origin }: Settled): Promise<Reuse> {
  const { workshop, claim } = attempt
  const reusable = origin === undefined ? new Set<string>() : reusableRuns(plan)
  if (origin === undefined || reusable.size === 0) return { taken: () => undefined, takenMeanwhile: async () => undefined, keep: async () => undefined }
  const keysOf = (part: Plan) => verdictKeys(part, { ...workshop, tree: origin.tree, trusted: isTrusted(request) })
  let keys = await keysOf(plan)
  const asked = request.blame === undefined ? 'request' : 'parent'
  const verdicts = ofOthers(workshop.verdicts, claim.entry)
  const look = () => (request.fresh ? new Map<string, never>() : sparedRuns(plan, { keys, reusable, verdicts, asked }))
  let spared = look()
  const sparedByNow = new Set<string>()
  // Without outputs only where the tree that it would work in was not made.
  const isTreeless = ({ workspace }: PlannedRun) => typeof workspace === 'object' && sparedByNow.has(workspace.from)
  const taken = (run: PlannedRun) => {
    const stored = spared.get(run.name)
    if (stored === undefined || !(hasOutputs(attempt, stored) || isTreeless(run))) return undefined
    sparedByNow.add(run.name)
    return takeVerdict(attempt, run, stored)
  }
  // Only before anything is executed: what is spared is spared together with what takes over its tree.
  const lookAgain = async () => {
    // The run that gave its slot back keeps its verdict right after that.
    await breathe()
    spared = new Map([...look(), ...spared])
  }
  let again: Promise<void> | undefined
  return {
    taken,
    async takenMeanwhile(run) {
      await (again ??= lookAgain())
      return taken(run)
    },
    async keep(run, result) {
      if (!reusable.has(run.name) || !isOwnVerdict(result)) return
      // It was not tried again, or not to the end.
      if (isRed(result) && attempt.stop.signal.aborted) return
      // An image that was fetched for the run is known by its digest only now.
      if (!keys.has(run.name)) keys = await keysOf(plan)
      const key = keys.get(run.name)
      const { verdict, code, signal, reason, note } = result
      if (key === undefined || verdict === 'skipped') return
      workshop.verdicts.keep(key, { verdict: verdict as 'passed', code, signal, reason, note, build: buildName(claim.build), entry: claim.entry, run: run.name })
    },
  }
}

/** A build is spared nothing by what it found itself. */
function ofOthers({ find }: Verdicts, entry: string): Pick<Verdicts, 'find'> {
  return {
    find(key, asked) {
      const stored = find(key, asked)
      return stored?.entry === entry ? undefined : stored
    },
  }
}

/** Found by executing it, and worth telling others. */
function isOwnVerdict(result: RunResult): boolean {
  return result.reused === undefined && result.blame === undefined && (result.verdict === 'passed' || isRed(result))
}
