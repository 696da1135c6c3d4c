import { isTrusted, type Request } from '../model/request.ts'
import type { Logger } from '../log/open-log.ts'
import { compareNames } from '../queue/names.ts'
import type { Claim, Queue } from '../queue/queue.ts'

/** Looks out for requests that are newer than those which are being built. */
export interface Lookout {
  /** Tells, at once or as soon as it is there, a newer request for what this claim asks for; once it resolves, one that waits already has been told. Until the call that it returns. */
  watch(claim: Claim, tell: (newer: Newer) => void): Promise<() => void>
}

interface Newer {
  entry: string
  commit: string
}

/** Milliseconds between two looks, and how many times longer than the look itself the pause is where looks are dear. */
const interval = 1000
const rest = 20

/** One look serves all builds, and its cost follows what has changed: see `Follower`. Nothing is looked at while nobody watches. */
export function openLookout(queue: Pick<Queue, 'follow'>, log: Logger): Lookout {
  const watchers = new Set<() => void>()
  const index = openIndex()
  const follower = queue.follow()
  let pause = 0
  let ended = -Infinity
  let underWay: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  async function look(): Promise<void> {
    const start = performance.now()
    const { came, gone } = await follower.look()
    for (const entry of gone) index.remove(entry)
    for (const { entry, request } of came) if (request !== undefined) index.add(entry, request)
    ended = performance.now()
    pause = (ended - start) * rest
    for (const tell of watchers) tell()
  }

  function lookNow(): Promise<void> {
    underWay ??= look().finally(() => (underWay = undefined))
    return underWay
  }

  function goOn(): void {
    if (timer !== undefined || watchers.size === 0) return
    timer = setTimeout(() => {
      timer = undefined
      void lookNow().catch((error: unknown) => log.warn({ err: error }, 'looking for newer entries failed')).finally(goOn)
    }, Math.max(interval, pause))
  }

  return {
    async watch(claim, tell) {
      if (underWay !== undefined || performance.now() - ended >= pause) await lookNow()
      const check = () => {
        const newer = index.newerThan(claim)
        if (newer !== undefined) tell(newer)
      }
      watchers.add(check)
      check()
      goOn()
      return () => {
        watchers.delete(check)
        if (watchers.size > 0) return
        clearTimeout(timer)
        timer = undefined
      }
    },
  }
}

/** The commit that a push was to, and the one that it was from, as far as the forge says it. */
interface Push {
  commit: string
  before: string | undefined
}

/** What waits or is built for one thing. */
interface Target {
  /** By their entries. */
  pushes: Map<string, Push>
  /** Undefined where it went, until somebody asks. */
  newest: string | undefined
}

/** What waits or is built, by what it asks for. A question costs the same however many ask for one thing. */
function openIndex() {
  const targets = new Map<string, Target>()
  const targetOf = new Map<string, string>()
  return {
    add(entry: string, request: Request): void {
      // Nobody who wants an old commit built again wants the newest one cancelled for it.
      if (request.blame !== undefined || request.retry_of !== undefined) return
      const name = targetName(request)
      const target = targets.get(name) ?? { pushes: new Map<string, Push>(), newest: undefined }
      if (target.pushes.size === 0 || (target.newest !== undefined && isNewer(entry, target.newest))) target.newest = entry
      target.pushes.set(entry, pushOf(request))
      targets.set(name, target)
      targetOf.set(entry, name)
    },
    remove(entry: string): void {
      const name = targetOf.get(entry)
      const target = name === undefined ? undefined : targets.get(name)
      if (name === undefined || target === undefined) return
      targetOf.delete(entry)
      target.pushes.delete(entry)
      if (target.newest === entry) target.newest = undefined
      if (target.pushes.size === 0) targets.delete(name)
    },
    /** The newest one that asks for the same, unless it was pushed before and only delivered late; then any other. */
    newerThan({ entry, request }: Claim): Newer | undefined {
      const target = targets.get(targetName(request))
      if (target === undefined) return undefined
      target.newest ??= [...target.pushes.keys()].reduce((one, other) => (isNewer(other, one) ? other : one))
      if (!isNewer(target.newest, entry)) return undefined
      const push = pushOf(request)
      const takesPlace = (other: string) => isNewer(other, entry) && !isBefore(target.pushes.get(other)!, push)
      const newer = takesPlace(target.newest) ? target.newest : [...target.pushes.keys()].find(takesPlace)
      return newer === undefined ? undefined : { entry: newer, commit: target.pushes.get(newer)!.commit }
    },
  }
}

function pushOf({ commit_id: commit, before, pull_request: pull }: Request): Push {
  return { commit, before: before ?? pull?.before }
}

/** Whether the other one went on from it. Where each went on from the other, somebody pushed back to where the ref was. */
function isBefore(one: Push, other: Push): boolean {
  return other.before === one.commit && one.before !== other.commit
}

function isNewer(one: string, other: string): boolean {
  return compareNames(one, other) > 0
}

/** Requests with the same name supersede each other: an untrusted one only its like. */
function targetName(request: Request): string {
  const { ref, repository, full_name: fullName, hook, pipeline } = request
  return JSON.stringify([ref, repository, fullName, hook, pipeline, isTrusted(request)])
}
