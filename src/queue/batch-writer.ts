import { closeSync, linkSync, open, renameSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isCode } from '../disk/read.ts'
import { sync, syncDirectories } from '../disk/sync.ts'
import type { Request } from '../model/request.ts'
import { entryBytes } from './entry.ts'
import { helpWinner } from './help-winner.ts'
import { deliveryName } from './names.ts'
import { locate, type Places } from './places.ts'
import type { Enqueued, Queue } from './queue.ts'

const opened = promisify(open)

/** Files open at once. */
const largestBatch = 256

interface Delivery {
  request: Request
  low: boolean
  resolve: (enqueued: Enqueued) => void
  reject: (error: unknown) => void
}

/** A delivery whose text is in tmp/. */
interface Written extends Delivery {
  entry: string
}

/** A delivery whose entry is in its place; it may be told once these directories are flushed. */
interface Placed extends Delivery {
  enqueued: Enqueued
  directories: string[]
}

/**
 * The way into the queue. Deliveries that come while a batch is on its way to the disk form the next one, so that they
 * share the flushes of the directories. An error of one file fails that delivery alone; where a directory cannot be
 * flushed, the whole batch fails, although its entries may be in place: a redelivery then finds them.
 */
export function openBatchWriter(places: Places, nextName: () => string): Queue['enqueue'] {
  let next: Delivery[] = []
  let busy = false

  return (request, { low = false } = {}) =>
    new Promise((resolve, reject) => {
      next.push({ request, low, resolve, reject })
      if (!busy) setImmediate(writeNext)
      busy = true
    })

  async function writeNext(): Promise<void> {
    const batch = next.splice(0, largestBatch)
    await writeBatch(batch, places, nextName)
    if (next.length > 0) setImmediate(writeNext)
    else busy = false
  }
}

/** Never rejects: every delivery of the batch learns its own fate. */
async function writeBatch(batch: Delivery[], places: Places, nextName: () => string): Promise<void> {
  const written = await Promise.all(batch.map((delivery) => write(delivery, places, nextName).catch(delivery.reject)))
  const placed = written.flatMap((delivery) => (delivery && attempt(delivery, () => place(delivery, places))) ?? [])
  try {
    await syncDirectories(placed.flatMap(({ directories }) => directories))
    for (const { resolve, enqueued } of placed) resolve(enqueued)
  } catch (error) {
    for (const { reject } of placed) reject(error)
  }
}

function attempt<T>({ reject }: Delivery, step: () => T): T | undefined {
  try {
    return step()
  } catch (error) {
    reject(error)
    return undefined
  }
}

/**
 * Writes and flushes a file in tmp/. It is opened on the thread pool, too: a file system on which many files were just
 * removed takes long to find a free inode, and nothing else would be served meanwhile.
 */
async function write(delivery: Delivery, places: Places, nextName: () => string): Promise<Written> {
  const entry = nextName()
  const path = join(places.tmp, entry)
  const bytes = entryBytes(delivery.request, entry, delivery.low)
  const descriptor = await opened(path, 'wx')
  try {
    try {
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset)
      await sync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    discard(path)
    throw new Error(`writing ${path} to disk: ${(error as Error).message}`, { cause: error })
  }
  return { ...delivery, entry }
}

function place(delivery: Written, places: Places): Placed {
  const { entry, request } = delivery
  const known = request.hook !== undefined && request.delivery !== undefined ? join(places.delivery, deliveryName(request.hook, request.delivery)) : undefined
  if (known !== undefined && !remember(join(places.tmp, entry), known)) {
    discard(join(places.tmp, entry))
    const { name, directories } = helpWinner(places, known)
    return { ...delivery, enqueued: { entry: name, duplicate: true }, directories }
  }
  const target = delivery.low ? places.low : places.waiting
  show(delivery, target, places, known !== undefined)
  return { ...delivery, enqueued: { entry, duplicate: false }, directories: known === undefined ? [target] : [target, places.delivery] }
}

/** Links the entry to its delivery; false where another process or an earlier delivery was first. */
function remember(temporary: string, known: string): boolean {
  try {
    linkSync(temporary, known)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    discard(temporary)
    throw error
  }
}

/** Puts the entry where builders see it. Where its delivery is linked, a second delivery or the repair may have done so already. */
function show({ entry }: Written, target: string, places: Places, linked: boolean): void {
  const temporary = join(places.tmp, entry)
  try {
    renameSync(temporary, join(target, entry))
  } catch (error) {
    if (linked && isCode(error, 'ENOENT') && locate(places, entry) !== undefined) return
    if (!linked) discard(temporary)
    throw error
  }
}

/** Removes what was never promised. Where even that fails, the repair does it an hour later; the first error is the one to tell. */
function discard(temporary: string): void {
  try {
    unlinkSync(temporary)
  } catch {}
}
