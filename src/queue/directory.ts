import type { Ledger } from '../ledger/ledger.ts'
import type { Logger } from '../log/open-log.ts'
import { openBatchWriter } from './batch-writer.ts'
import { claimOldest } from './claim.ts'
import { followEntries } from './follow-entries.ts'
import { findEntry, listEntries } from './list-entries.ts'
import { openNames } from './names.ts'
import { openPlaces } from './places.ts'
import type { Queue } from './queue.ts'
import { repairQueue } from './repair.ts'
import type { Room } from './room.ts'
import { buryClaim, dropWaiting, finishClaim, releaseClaim } from './settle.ts'
import { openWaiting } from './waiting.ts'

/*
 * The states of an entry N, each a directory; a move is one rename, so an entry is in one place at any instant.
 *
 *     queue/tmp/N ──► queue/N (or queue/low/N) ──► queue/claimed/N ──► ledger/done/N
 *       written         waiting   ▲      │              │    │           decided
 *                                 │      └─ drop ───────┼────┼──► ledger/done/N
 *                                 └────── release ──────┘    └──► queue/bad/N, N.reason
 *
 * Accepted. Write tmp/N, fsync it; link it to ledger/delivery/<hook+id>; rename it to queue/N; fsync both directories;
 *   answer. The link decides which of two equal deliveries is first, also between processes. The second one completes
 *   the first one's rename, or makes the entry again from the link where it is in no place, and fsyncs before it answers
 *   "duplicate": the first one may have died at any of these steps.
 * Claimed. queue/N is dropped where claimed/N or done/N is the same entry (its old name came back by a power cut). An
 *   entry with a delivery and a single link is linked now; where another entry has that link it is dropped, too. Rename
 *   to claimed/N, write claimed/N.build (build, attempt, deaths), fsync the note and claimed/ at once. A name that nobody can
 *   keep is replaced by one of ours; its directory is flushed then, too, since nothing would know that name again.
 * Finished. Rename to done/N, and the note to done/N.build: to remove a flushed file takes some disks longer than all the
 *   rest of a claim. No fsync: the terminal status of the build, written before, decides.
 * Released. Rename back. The note stays in claimed/, so that the next claim has the same number and one more attempt.
 *   An attempt that is not the note's is stale. What was dropped in under the same name meanwhile gets a name of ours.
 * Bad. What was no request for a minute, or ended three builders; never deleted.
 *
 * Repair, under the builder's lock:
 *   tmp/N with a second link         ► queue/N: it may have been promised
 *   tmp/N with one link, an hour old ► deleted: it never was
 *   claimed/N without a note         ► queue/N or queue/low/N: nothing was started for it
 *   claimed/N beside done/N or bad/N, or tmp/N beside any, as the same file ► this name of it is removed
 *   a note without its entry         ► removed
 *   claimed/N with its note          ► returned: the builder ends what still runs of it, then finishes, releases or buries it
 */

/** Opens the queue that is directories of files under a home. @param options.now milliseconds since 1970 */
export function openDirectoryQueue(home: string, { ledger, log, now = Date.now }: { ledger: Ledger; log?: Logger; now?: () => number }): Queue {
  const places = openPlaces(home)
  const nextName = openNames([places.waiting, places.low, places.claimed], now)
  const waiting = openWaiting(places)
  const room: Room = { places, ledger, log, nextName, now }
  return {
    enqueue: openBatchWriter(places, nextName),
    claim: (assign, { low = true } = {}) => claimOldest(room, waiting, { assign, low }),
    finish: async (claim) => finishClaim(room, claim),
    release: async (claim, { died = false } = {}) => waiting.putBack(releaseClaim(room, claim, died)),
    bury: async (claim, reason) => buryClaim(room, claim, reason),
    list: async () => listEntries(places),
    find: async (entry) => findEntry(places, entry),
    follow: () => followEntries(places),
    drop: (entry) => dropWaiting(room, entry),
    repair: async () => repairQueue(room),
  }
}
