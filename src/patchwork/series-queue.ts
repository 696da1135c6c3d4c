import type { BuildId } from '../model/build.ts'
import type { Request } from '../model/request.ts'

/** The queue as polling needs it: rooms on one floor do not know each other, so the queue is handed in. */
export interface SeriesQueue {
  /** Resolves once the entry and its delivery id would survive a power cut. */
  enqueue(request: Request): Promise<{ entry: string; duplicate: boolean }>
  /** Removes a waiting entry; false where it is not waiting (any more). */
  drop(entry: string): Promise<boolean>
  /** An entry that is not decided; its build, which one keeps that waits again. */
  find(entry: string): Promise<{ state: 'waiting' | 'low' | 'claimed' | 'bad'; build?: BuildId } | undefined>
}
