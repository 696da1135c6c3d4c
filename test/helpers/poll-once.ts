import { join } from 'node:path'
import { openLedger } from '../../src/ledger/open-ledger.ts'
import { openPatchwork } from '../../src/patchwork/client.ts'
import type { Polled } from '../../src/patchwork/poll-round.ts'
import { poll } from '../../src/patchwork/poll.ts'
import type { PatchworkSource } from '../../src/patchwork/settings.ts'
import { openDirectoryQueue } from '../../src/queue/directory.ts'

/** A project of a fake server, as quern.yaml would name it. */
export function fakeSource(url: string, changes: Partial<PatchworkSource> = {}): PatchworkSource {
  return { url, project: 'ffmpeg', tree: 'https://git.example.org/ffmpeg.git', branch: 'master', pipelines: ['job:x86'], each_patch: true, rehearse: false, incomplete_after: 120, expire_after: 72, pace: 5, commit_message: [], ...changes }
}

/** Polls a fake server into a home, at a moment shortly after the fake's own clock. */
export function pollOnce(home: string, url: string): Promise<Polled> {
  const ledger = openLedger(join(home, 'ledger'))
  const queue = openDirectoryQueue(home, { ledger })
  const client = openPatchwork({ url, project: 'ffmpeg', backOff: 1, interval: 0 })
  return poll({ source: fakeSource(url), client, home, queue, ledger, tip: async () => 'db91e083bcfc7643c5c1d3ea3983474132b8523a', now: () => Date.UTC(2026, 10, 21, 12) })
}
