import type { Plan } from '../model/plan.ts'
import type { Attempt } from './attempt.ts'

/**
 * Does the work of a build and cancels it as soon as a newer push of the same ref waits or is built. Only for plans that
 * say `supersede`: others, like those that publish each commit, are worth finishing. Of a mailed series only a newer version
 * of itself takes the place; polling sees to that.
 */
export async function whileNewest<T>({ workshop, claim, stop }: Attempt, plan: Plan, work: () => Promise<T>): Promise<T> {
  if (plan.supersede !== true || claim.request.blame !== undefined || claim.request.series !== undefined) return work()
  const end = await workshop.lookout.watch(claim, ({ entry, commit }) => stop.cancel(`superseded by ${entry}: ${commit} of the same ref`))
  try {
    return await work()
  } finally {
    end()
  }
}
