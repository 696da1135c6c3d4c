import { aboutCommit, executable, planAt } from './plan-patch.ts'
import { applyPatches, type SeriesContext } from './series-tree.ts'
import { lackingFile, mistakeIn } from './settle.ts'
import type { Mistaken, Settled } from '../workshop.ts'

/**
 * Settles the base of a series, or the commit of one of its patches, that is built only to tell whose a failure is. A patch's
 * commit is made again, and is the same, where the mirror was deleted meanwhile.
 */
export async function settleCompared(context: SeriesContext): Promise<Settled | Mistaken | { ignored: string }> {
  const { mirror, settings } = context
  const { commit_id: id, blame } = context.request
  if (!(await mirror.hasCommit(id))) await applyPatches(context, blame!.tip!)
  const commit = await mirror.readCommit(id)
  const chosen = settings.choose(context.request)
  const reason = await lackingFile(chosen, id, mirror)
  if (reason !== undefined) return { ignored: reason }
  const request = aboutCommit(context.request, commit)
  const origin = { tree: commit.tree, history: async () => undefined }
  const plan = await planAt(context, chosen, { commit }).catch((error: unknown) => mistakeIn(chosen, error))
  if ('ignored' in plan) return plan
  return 'mistake' in plan ? { ...plan, request, origin } : { ...executable({ plan, request }, context), origin }
}
