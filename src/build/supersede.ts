import { isTrusted, type Request } from '../model/request.ts'
import type { Attempt } from './attempt.ts'

/**
 * Does work of a build and cancels it as soon as a newer push of the same ref waits or is built. Only for plans that
 * say `supersede`: others, like those that publish each commit, are worth finishing. And for a stranger's pull request,
 * whatever its plan and before there is one: pushing to it costs nothing, and each push would have all the time that an
 * untrusted build may take, before whatever came after it. Of a mailed series only a newer version of itself takes the
 * place; polling sees to that.
 */
export async function whileNewest<T>({ workshop, claim, stop }: Attempt, plan: { supersede?: boolean }, work: () => Promise<T>): Promise<T> {
  const { request } = claim
  if ((plan.supersede !== true && !isStrangersPull(request)) || request.blame !== undefined || request.series !== undefined) return work()
  const end = await workshop.lookout.watch(claim, ({ entry, commit }) => stop.cancel(`superseded by ${entry}: ${commit} of the same ref`))
  try {
    return await work()
  } finally {
    end()
  }
}

function isStrangersPull(request: Request): boolean {
  return request.pull_request !== undefined && !isTrusted(request)
}
