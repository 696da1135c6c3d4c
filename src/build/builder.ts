import { statSync } from 'node:fs'
import { join } from 'node:path'
import { takeLock } from '../disk/lock.ts'
import { makeDirectory } from '../disk/write.ts'
import { isTerminal } from '../model/verdict.ts'
import type { Request } from '../model/request.ts'
import type { Claim } from '../queue/queue.ts'
import { endDueWaits } from './blame/pursue.ts'
import { nowAndThen } from './now-and-then.ts'
import { clearWorkspaces, type EndLeftovers, repair } from './repair.ts'
import { runBuild } from './run-build.ts'
import { openSeats, type Seat } from './seats.ts'
import { watchForStop } from './stop.ts'
import type { Workshop } from './workshop.ts'

/** Builds that are claimed at once, most of which wait for their group: each is held in memory, and none of them in the queue. */
const mostClaimed = 100

/** Milliseconds between two looks for failures that waited long enough to be told: one build may take hours. */
const tellingInterval = 5000

/** Milliseconds between two looks for entries that arrive while builds run and a slot is free. */
const arrivalInterval = 100

/** A directory that was changed less than this ago, in milliseconds, may be changed again and keep its time. */
const grain = 50

/**
 * Grinds the queue until it is empty: one builder a home, through a lock that dies with its holder. Returns at once where
 * another holds it. After letting go it looks once more, since an entry may have come, and its builder have left, meanwhile.
 * Resolves with whether it was its turn.
 */
export async function grindQueue(workshop: Workshop, { endLeftovers, stop }: { endLeftovers: EndLeftovers; stop: AbortSignal }): Promise<boolean> {
  const lockPath = join(makeDirectory(join(workshop.home, 'queue')), '.lock')
  let built = false
  let claimed = 1
  while (claimed > 0 && !stop.aborted) {
    const lock = takeLock(lockPath)
    if (lock === undefined) {
      workshop.log.debug('another builder is at work')
      return built
    }
    try {
      await repair(workshop, endLeftovers)
      built = true
      claimed = await grind(workshop, stop)
    } finally {
      lock.release()
    }
  }
  return built
}

/** Claims and builds until nothing waits and nothing runs. Returns how many entries it claimed. */
async function grind(workshop: Workshop, stop: AbortSignal): Promise<number> {
  const seats = openSeats(workshop.threads)
  const running = new Set<Promise<void>>()
  const endTelling = nowAndThen(() => tellDue(workshop, stop), tellingInterval)
  let failure: unknown
  let claimed = 0
  try {
    while (failure === undefined) {
      if (running.size >= mostClaimed) await Promise.race(running)
      const seat = await seats.take()
      const low = seats.canStart()
      const before = changed(workshop.home)
      // A claim that fails (a full disk) ends this builder, but not before its other builds have: its lock is theirs.
      const claim = stop.aborted || failure !== undefined ? undefined : await claimNext(workshop, { low }).catch((error: unknown) => void (failure ??= error))
      if (claim === undefined) {
        seat.leave()
        if (running.size === 0 || stop.aborted || failure !== undefined) break
        await arrival(running, () => (!low && seats.canStart()) || changed(workshop.home) !== before)
        continue
      }
      claimed++
      seat.occupy()
      const build = startBuild(workshop, claim, { seat, stop })
        .catch((error: unknown) => (failure ??= error))
        .then(() => void running.delete(build))
      running.add(build)
    }
    await Promise.all(running)
  } finally {
    // A timer that stays keeps this process from ending.
    await endTelling()
  }
  // A builder that is told to stop has seconds; what its runs left is removed by the next one.
  if (!stop.aborted) await clearWorkspaces(workshop)
  if (failure !== undefined) throw failure
  return claimed
}

/** A builder that is told to stop begins none: to find who wrote a commit can take minutes. */
async function tellDue(workshop: Workshop, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return
  await endDueWaits(workshop).catch((error: unknown) => workshop.log.warn({ err: error }, 'looking for failures that are to be told failed; it is tried again'))
}

/** What may wait for all others is claimed only when it can start: what comes meanwhile goes first. */
function claimNext({ queue, records, pipelineOf, prepare }: Workshop, { low }: { low: boolean }): Promise<Claim | undefined> {
  const assign = (request: Request) => {
    prepare(request)
    return records.reserve(pipelineOf(request))
  }
  return queue.claim(assign, { low })
}

async function startBuild(workshop: Workshop, claim: Claim, { seat, stop: builderStops }: { seat: Seat; stop: AbortSignal }): Promise<void> {
  const stop = watchForStop(workshop.records.directory(claim.build), builderStops)
  try {
    const reports = await runBuild(workshop, claim, { takeSlot: seat.takeSlot, leaveSeat: seat.leave, stop })
    if (reports === 0) return
    // A server that does not answer holds up nobody's build.
    seat.leave()
    await deliverMeanwhile(workshop)
  } catch (error) {
    // The record could not be kept (a full disk): this builder ends. What is decided is handed over by the next one's
    // repair; what is not waits again.
    if (!isTerminal(workshop.records.status(claim.build))) await workshop.queue.release(claim)
    throw error
  } finally {
    stop.close()
    seat.leave()
  }
}

/** Sends what is due while builds run. That it cannot be tried, where no process is left for the lock, ends no build: it is tried again. */
export async function deliverMeanwhile({ outbox, log }: Pick<Workshop, 'outbox' | 'log'>): Promise<void> {
  await outbox.deliverDue().catch((error: unknown) => log.warn({ err: error }, 'sending what is due failed; it is tried again'))
}

/** Resolves when a build ended, or there is another reason to look. */
function arrival(running: Set<Promise<void>>, mayLook: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const arrived = () => {
      clearInterval(timer)
      resolve()
    }
    const timer = setInterval(() => mayLook() && arrived(), arrivalInterval)
    void Promise.race(running).then(arrived)
  })
}

/**
 * When the queue was last changed. What was just changed may change again and keep its time, so it never equals; nor does
 * what cannot be asked for: the claim says why, and the builds that run meanwhile go on.
 */
function changed(home: string): string | symbol {
  try {
    const times = ['queue', 'queue/low'].map((name) => statSync(join(home, name), { throwIfNoEntry: false })?.mtimeMs ?? 0)
    return Math.abs(Date.now() - Math.max(...times)) < grain ? Symbol('just now') : times.join()
  } catch {
    return Symbol('not to be told')
  }
}
