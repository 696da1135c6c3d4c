import { describe, expect, test } from 'vitest'
import type { BuildId } from '../../src/model/build.ts'
import { StaleClaimError, type Claim, type Queue } from '../../src/queue/queue.ts'
import { aRequest } from '../helpers/a-request.ts'

/** What every queue promises. `open` gives a fresh, empty one and cleans up after the test; `reopen` is the same queue seen by another process. */
export function describeQueue(name: string, open: () => Promise<{ queue: Queue; reopen: () => Promise<Queue> }>): void {
  describe(name, () => {
    test('an entry comes back from a claim as it was enqueued', async () => {
      const { queue } = await open()
      const request = aRequest({ full_name: 'acme/tool', hook: 'main', delivery: 'd-1', message: 'Grüße\n"quoted" $(id)' })
      const { entry, duplicate } = await queue.enqueue(request)
      expect(duplicate).toBe(false)
      expect(await queue.claim(number())).toEqual({ entry, request, build: { pipeline: 'tool', number: 1 }, attempt: 1, deaths: 0 })
    })

    test('entries are claimed oldest first, also those enqueued at once', async () => {
      const { queue } = await open()
      const commits = Array.from({ length: 300 }, (_, index) => index.toString(16).padStart(40, '0'))
      await Promise.all(commits.map((commit_id) => queue.enqueue(aRequest({ commit_id }))))
      expect((await claimAll(queue)).map((claim) => claim.request.commit_id)).toEqual(commits)
    })

    test('an empty queue gives no claim', async () => {
      const { queue } = await open()
      expect(await queue.claim(number())).toBeUndefined()
      await queue.finish((await enqueueAndClaim(queue))!)
      expect(await queue.claim(number())).toBeUndefined()
    })

    test('what arrives after the queue was used up is seen by the next claim', async () => {
      const { queue, reopen } = await open()
      await enqueueAndClaim(queue)
      expect(await queue.claim(number())).toBeUndefined()
      const { entry } = await (await reopen()).enqueue(aRequest())
      expect((await queue.claim(number()))?.entry).toBe(entry)
    })

    test('claims at once never take the same entry', async () => {
      const { queue } = await open()
      for (let index = 0; index < 20; index++) await queue.enqueue(aRequest())
      const claims = await Promise.all(Array.from({ length: 25 }, () => queue.claim(number())))
      expect(new Set(claims.flatMap((claim) => claim?.entry ?? [])).size).toBe(20)
    })

    test('a low entry is claimed only when nothing else waits', async () => {
      const { queue, reopen } = await open()
      const parents = [await queue.enqueue(aRequest(), { low: true }), await queue.enqueue(aRequest(), { low: true })]
      const first = await queue.enqueue(aRequest())
      expect((await queue.claim(number()))?.entry).toBe(first.entry)
      expect((await queue.claim(number()))?.entry).toBe(parents[0]!.entry)
      const late = await (await reopen()).enqueue(aRequest())
      expect((await queue.claim(number()))?.entry).toBe(late.entry)
      expect((await queue.claim(number()))?.entry).toBe(parents[1]!.entry)
    })

    test('a claim that leaves low entries alone takes the others only', async () => {
      const { queue } = await open()
      const parent = await queue.enqueue(aRequest(), { low: true })
      expect(await queue.claim(number(), { low: false })).toBeUndefined()
      const first = await queue.enqueue(aRequest())
      expect((await queue.claim(number(), { low: false }))?.entry).toBe(first.entry)
      expect((await queue.claim(number()))?.entry).toBe(parent.entry)
    })

    test.each(['waiting', 'claimed', 'finished', 'buried', 'dropped', 'released'])('a redelivery of a %s entry is answered with that entry', async (state) => {
      const { queue, reopen } = await open()
      const request = aRequest({ hook: 'main', delivery: '72d3162e-cc78-11e3-81ab-4c9367dc0958' })
      const { entry } = await queue.enqueue(request)
      if (state === 'dropped') await queue.drop(entry)
      const claim = state === 'waiting' || state === 'dropped' ? undefined : (await queue.claim(number()))!
      if (state === 'finished') await queue.finish(claim!)
      if (state === 'buried') await queue.bury(claim!, 'no such thing')
      if (state === 'released') await queue.release(claim!)
      expect(await (await reopen()).enqueue(request)).toEqual({ entry, duplicate: true })
      expect(await claimAll(queue)).toHaveLength(['waiting', 'released'].includes(state) ? 1 : 0)
    })

    test('of two equal deliveries at once one makes the entry and the other is told of it', async () => {
      const { queue, reopen } = await open()
      const request = aRequest({ hook: 'main', delivery: 'twice' })
      const answers = await Promise.all([queue.enqueue(request), queue.enqueue(request), (await reopen()).enqueue(request)])
      expect(new Set(answers.map(({ entry }) => entry)).size).toBe(1)
      expect(answers.filter(({ duplicate }) => duplicate)).toHaveLength(2)
      expect(await claimAll(queue)).toHaveLength(1)
    })

    test('the same id on another hook is another delivery, whatever the names are', async () => {
      const { queue } = await open()
      const ids = [['a', 'b/c'], ['a/b', 'c'], ['a', 'b\0c'], ['a', '../b'], ['h'.repeat(100), 'x'.repeat(200)], ['a+b', 'c'], ['a', 'b+c'], ['.', '.']] as const
      for (const [hook, delivery] of ids) expect(await queue.enqueue(aRequest({ hook, delivery }))).toMatchObject({ duplicate: false })
      expect(await claimAll(queue)).toHaveLength(ids.length)
    })

    test('a released entry is claimed again first, with its number and the next attempt', async () => {
      const { queue, reopen } = await open()
      const claim = (await enqueueAndClaim(queue, 7))!
      await queue.enqueue(aRequest())
      await queue.release(claim)
      const again = await queue.claim(number(99))
      expect(again).toEqual({ ...claim, attempt: 2 })
      await queue.release(again!, { died: true })
      expect(await (await reopen()).claim(number(99))).toEqual({ ...claim, attempt: 3, deaths: 1 })
    })

    test('entries are claimed oldest first again, in whatever order they were released', async () => {
      const { queue } = await open()
      for (let count = 0; count < 4; count++) await queue.enqueue(aRequest())
      const claims = [await queue.claim(number(1)), await queue.claim(number(2)), await queue.claim(number(3))]
      for (const index of [0, 2, 1]) await queue.release(claims[index]!)
      expect((await claimAll(queue)).map(({ build, attempt }) => [build.number, attempt])).toEqual([[1, 2], [2, 2], [3, 2], [1, 1]])
    })

    test('a released low entry stays low', async () => {
      const { queue } = await open()
      await queue.enqueue(aRequest(), { low: true })
      await queue.release((await queue.claim(number()))!)
      const urgent = await queue.enqueue(aRequest())
      expect((await queue.claim(number()))?.entry).toBe(urgent.entry)
      expect(await queue.claim(number(99))).toMatchObject({ build: { number: 1 }, attempt: 2 })
    })

    test.each(['finish', 'release', 'bury'] as const)('a stale claim cannot %s the entry', async (verb) => {
      const { queue } = await open()
      const stale = (await enqueueAndClaim(queue))!
      await queue.release(stale)
      await expect(queue[verb](stale, undefined as never)).rejects.toThrow(StaleClaimError)
      const current = (await queue.claim(number()))!
      await expect(queue[verb](stale, undefined as never)).rejects.toThrow(StaleClaimError)
      await queue.finish(current)
      await expect(queue[verb](current, undefined as never)).rejects.toThrow(StaleClaimError)
    })

    test('a number that cannot be given leaves the entry waiting, before newer ones', async () => {
      const { queue } = await open()
      const { entry } = await queue.enqueue(aRequest())
      await queue.enqueue(aRequest())
      const full = () => {
        throw new Error('disk full')
      }
      await expect(queue.claim(full)).rejects.toThrow('disk full')
      expect(await queue.claim(number())).toMatchObject({ entry, attempt: 1 })
    })

    test('the list tells what is claimed, waits, waits low and is bad, with build and reason', async () => {
      const { queue } = await open()
      const bad = (await enqueueAndClaim(queue, 1))!
      await queue.bury(bad, 'three builders died')
      const claimed = (await enqueueAndClaim(queue, 2))!
      const low = await queue.enqueue(aRequest(), { low: true })
      const waiting = await queue.enqueue(aRequest())
      const request = aRequest()
      expect(await queue.list()).toEqual([
        { entry: claimed.entry, state: 'claimed', request, build: { pipeline: 'tool', number: 2 } },
        { entry: waiting.entry, state: 'waiting', request },
        { entry: low.entry, state: 'low', request },
        { entry: bad.entry, state: 'bad', request, reason: 'three builders died' },
      ])
    })

    test('an entry is found by its name in whatever state it is, until it is decided', async () => {
      const { queue } = await open()
      const { entry } = await queue.enqueue(aRequest())
      const request = aRequest()
      expect(await queue.find(entry)).toEqual({ entry, state: 'waiting', request })
      const claim = (await queue.claim(number()))!
      const build = { pipeline: 'tool', number: 1 }
      expect(await queue.find(entry)).toEqual({ entry, state: 'claimed', request, build })
      await queue.release(claim)
      expect(await queue.find(entry)).toEqual({ entry, state: 'waiting', request, build })
      await queue.bury((await queue.claim(number()))!, 'no such thing')
      expect(await queue.find(entry)).toEqual({ entry, state: 'bad', request, reason: 'no such thing' })
      const low = await queue.enqueue(aRequest(), { low: true })
      expect(await queue.find(low.entry)).toMatchObject({ state: 'low' })
      await queue.finish((await queue.claim(number()))!)
      for (const name of [low.entry, 'unknown', '../queue', 'claimed', '']) expect(await queue.find(name)).toBeUndefined()
    })

    test('who follows it is told all at first, then only what came and what went, also by another process', async () => {
      const { queue, reopen } = await open()
      const names = async (follower: ReturnType<Queue['follow']>) => {
        const { came, gone } = await follower.look()
        return { came: came.map(({ entry, request }) => [entry, request?.commit_id]), gone }
      }
      const commits = ['a', 'b', 'c'].map((digit) => digit.repeat(40))
      const [one, two, three] = [await queue.enqueue(aRequest({ commit_id: commits[0]! })), await queue.enqueue(aRequest({ commit_id: commits[1]! })), await queue.enqueue(aRequest({ commit_id: commits[2]! }), { low: true })]
      const follower = queue.follow()
      expect((await names(follower)).came.toSorted()).toEqual([one, two, three].map(({ entry }, index) => [entry, commits[index]]))
      expect(await names(follower)).toEqual({ came: [], gone: [] })
      const claim = (await queue.claim(number()))!
      expect(await names(follower)).toEqual({ came: [], gone: [] })
      await queue.finish(claim)
      const four = await (await reopen()).enqueue(aRequest())
      expect(await names(follower)).toEqual({ came: [[four.entry, aRequest().commit_id]], gone: [one.entry] })
      await queue.drop(two.entry)
      await queue.bury((await queue.claim(number()))!, 'no such thing')
      expect((await names(follower)).gone.toSorted()).toEqual([two.entry, four.entry].toSorted())
    })

    test('only a waiting entry can be dropped', async () => {
      const { queue } = await open()
      const claimed = (await enqueueAndClaim(queue))!
      const [waiting, low] = [await queue.enqueue(aRequest()), await queue.enqueue(aRequest(), { low: true })]
      expect(await queue.drop(waiting.entry)).toBe(true)
      expect(await queue.drop(low.entry)).toBe(true)
      for (const entry of [waiting.entry, claimed.entry, 'unknown', '../queue', '']) expect(await queue.drop(entry)).toBe(false)
      expect((await queue.list()).map(({ entry }) => entry)).toEqual([claimed.entry])
    })

    test('the claims of a dead builder come back from the repair, oldest first, and can be settled', async () => {
      const { queue, reopen } = await open()
      const held = [await enqueueAndClaim(queue, 1), await enqueueAndClaim(queue, 2), await enqueueAndClaim(queue, 3)]
      const heir = await reopen()
      const claims = await heir.repair()
      expect(claims).toEqual(held)
      await heir.release(claims[0]!, { died: true })
      await heir.finish(claims[1]!)
      await heir.bury(claims[2]!, 'enough')
      expect(await heir.repair()).toEqual([])
      expect(await heir.claim(number())).toEqual({ ...held[0], attempt: 2, deaths: 1 })
    })
  })
}

/** Gives numbers in sequence. */
export function number(first = 1): (request: unknown) => BuildId {
  let next = first
  return () => ({ pipeline: 'tool', number: next++ })
}

/** Claims and finishes until nothing waits. */
export async function claimAll(queue: Queue): Promise<Claim[]> {
  const claims: Claim[] = []
  for (let claim = await queue.claim(number()); claim !== undefined; claim = await queue.claim(number())) {
    claims.push(claim)
    await queue.finish(claim)
  }
  return claims
}

async function enqueueAndClaim(queue: Queue, first = 1): Promise<Claim | undefined> {
  await queue.enqueue(aRequest())
  return queue.claim(number(first))
}
