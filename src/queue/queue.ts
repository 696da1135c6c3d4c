import type { BuildId } from '../model/build.ts'
import type { Request } from '../model/request.ts'

/** Entries at rest. Every implementation passes test/queue/queue.test.ts. */
export interface Queue {
  /** Resolves once the entry and its delivery id would survive a power cut. A delivery that is known already is answered with the entry it made. Rejects where it could not be made durable. */
  enqueue(request: Request, options?: { low?: boolean }): Promise<Enqueued>
  /** Takes the oldest entry, or undefined where none waits; one of queue/low only where no other waits, and not with `low: false`. Once it resolves, the claim and the number that `assign` gave survive a power cut. An entry claimed before keeps its number. */
  claim(assign: (request: Request) => BuildId, options?: { low?: boolean }): Promise<Claim | undefined>
  /** The entry is decided and will never be built again. A stale claim is refused. */
  finish(claim: Claim): Promise<void>
  /** Puts the entry back in its old place; it keeps its number. `died` counts against it. A stale claim is refused. */
  release(claim: Claim, options?: { died?: boolean }): Promise<void>
  /** Sets the entry aside, kept with the reason. A stale claim is refused. */
  bury(claim: Claim, reason: string): Promise<void>
  /** What is not decided: what is claimed, what waits, what waits in queue/low, and what was set aside, each oldest first. */
  list(): Promise<Listed[]>
  /** The entry of that name where it is not decided, whatever else the queue holds. */
  find(entry: string): Promise<Listed | undefined>
  /** Begins to follow what waits and what is claimed. */
  follow(): Follower
  /** Removes a waiting entry, recorded as decided; false where it is not waiting (any more). */
  drop(entry: string): Promise<boolean>
  /** Mends what a crash left half done and returns the claims that a dead builder held. Only under the builder's lock. */
  repair(): Promise<Claim[]>
}

/** Looks cost what has changed, not what the queue holds. */
export interface Follower {
  /** What came and what went since the look before; the first one tells all. Not to be called while a look is under way. */
  look(): Promise<{ came: Listed[]; gone: string[] }>
}

export interface Enqueued {
  /** The entry's name. */
  entry: string
  duplicate: boolean
}

export interface Claim {
  entry: string
  request: Request
  build: BuildId
  /** 1 the first time; one more each time it is claimed again. With the entry's name it is the token that a stale claim fails by. */
  attempt: number
  /** How many builders died over it. */
  deaths: number
}

export interface Listed {
  entry: string
  state: 'waiting' | 'low' | 'claimed' | 'bad'
  request?: Request
  /** The build it is claimed for, or whose number a released entry keeps. */
  build?: BuildId
  /** Why it is bad; of one that waits, why it is no request (yet). */
  reason?: string
}

/** The claim is not held any more: the entry was finished, released or buried, or somebody else has claimed it since. */
export class StaleClaimError extends Error {
  override name = 'StaleClaimError'

  constructor(claim: Claim, found: string) {
    super(`settling entry ${claim.entry}: expected claim ${claim.attempt} of it to be held, but ${found}`)
  }
}
