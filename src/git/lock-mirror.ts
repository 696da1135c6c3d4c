import { setTimeout as sleep } from 'node:timers/promises'
import { takeLock, type Lock } from '../disk/lock.ts'

/** Milliseconds between two looks at a lock that another process holds: a fetch takes longer than this, and each look costs two. */
const pause = 200

/** Who waits in this process, by lock file: they wait for each other's promise and ask the kernel only once it is their turn. */
const queues = new Map<string, Promise<unknown>>()

/** Runs the work while no other holder of the lock file runs, in this process or another. @throws the signal's reason where it is aborted while waiting */
export async function withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const before = queues.get(path) ?? Promise.resolve()
  const mine = before.then(() => locked(path, signal, work))
  const settled = mine.then(() => undefined, () => undefined)
  queues.set(path, settled)
  try {
    return await mine
  } finally {
    if (queues.get(path) === settled) queues.delete(path)
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
