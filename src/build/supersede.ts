import { isTrusted, type Request } from '../model/request.ts'
import type { Plan } from '../model/plan.ts'
import type { Listed } from '../queue/queue.ts'
import type { Attempt } from './attempt.ts'

/** Milliseconds between two looks for a newer entry. */
const interval = 1000

/**
 * Does the work of a build and cancels it as soon as a newer push of the same ref waits or is built. Only for plans that
 * say `supersede`: others, like those that publish each commit, are worth finishing. Of a mailed series only a newer version
 * of itself takes the place; polling sees to that.
 */
export async function whileNewest<T>({ workshop, claim, stop }: Attempt, plan: Plan, work: () => Promise<T>): Promise<T> {
  if (plan.supersede !== true || claim.request.blame !== undefined || claim.request.series !== undefined) return work()
  const look = async () => {
    const newer = newerThan(claim, await workshop.queue.list())
    if (newer !== undefined) stop.cancel(`superseded by ${newer.entry}: ${newer.request?.commit_id} of the same ref`)
  }
  await look()
  const timer = setInterval(() => void look().catch((error: unknown) => workshop.log.warn({ err: error }, 'looking for a newer entry failed')), interval)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

/** The newest entry that asks for the same: an untrusted one supersedes only its like. */
function newerThan({ entry, request }: Attempt['claim'], entries: Listed[]): Listed | undefined {
  return entries
    .filter((other) => other.state !== 'bad' && other.entry > entry && other.request !== undefined && other.request.blame === undefined && sameTarget(other.request, request))
    .at(-1)
}

function sameTarget(one: Request, other: Request): boolean {
  return one.ref === other.ref && one.repository === other.repository && one.full_name === other.full_name && one.hook === other.hook && one.pipeline === other.pipeline && isTrusted(one) === isTrusted(other)
}
