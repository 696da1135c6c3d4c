import { setTimeout as sleep } from 'node:timers/promises'
import { takeLock, type Lock } from './lock.ts'

/** Milliseconds between two looks at a lock that another process holds: a fetch takes longer than this, and each look costs two. */
const pause = 200

/** Who waits in this process, by lock file: they wait for each other's promise and ask the kernel only once it is their turn. */
const queues = new Map<string, Promise<void>>()

/** Runs the work while no other holder of the lock file runs, in this process or another. @throws the signal's reason where it is aborted while waiting */
export function withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const before = queues.get(path) ?? Promise.resolve()
  const mine = orAborted(before, signal).then(() => locked(path, signal, work))
  const settled = Promise.allSettled([before, mine]).then(() => {
    if (queues.get(path) === settled) queues.delete(path)
  })
  queues.set(path, settled)
  return mine
}

/** Whoever is aborted while others are before it does not wait for them. */
async function orAborted(turn: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const over = new AbortController()
  const aborted = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal }))
  try {
    await Promise.race([turn, aborted])
  } finally {
    over.abort()
  }
}

async function locked<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const lock = await waitForLock(path, signal)
  try {
    return await work()
  } finally {
    lock.release()
  }
}

async function waitForLock(path: string, signal: AbortSignal | undefined): Promise<Lock> {
  for (;;) {
    signal?.throwIfAborted()
    const lock = takeLock(path)
    if (lock !== undefined) return lock
    await sleep(pause)
  }
}
