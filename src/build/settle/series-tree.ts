import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { removeAll } from '../../disk/remove.ts'
import { makeDirectory } from '../../disk/write.ts'
import { cloneToken } from '../../git/clone-token.ts'
import type { Mirror } from '../../git/mirror.ts'
import type { Request, Series } from '../../model/request.ts'
import { applySeries, type Applied } from '../../patchwork/apply.ts'
import type { PatchworkClient } from '../../patchwork/client.ts'
import { isForeign, isPassing } from '../../patchwork/http.ts'
import type { PatchworkSource } from '../../patchwork/settings.ts'
import type { SettlerSettings } from './settle.ts'
import type { Turns } from '../turns.ts'
import { workDirectory } from '../execute/work-directory.ts'

/** A project of quern.yaml, with what speaks to its server. */
export interface SeriesSource {
  source: PatchworkSource
  client: PatchworkClient
}

/** A series that is being settled, with the mirror of the tree that it is for. */
export interface SeriesContext {
  request: Request
  series: Series
  open: SeriesSource
  mirror: Mirror
  settings: SettlerSettings
  turns: Turns
  signal: AbortSignal
  /** Lets another build be claimed in its stead. */
  leaveSeat: () => void
}

/** Milliseconds for which a server that does not answer is asked for the mails again, and between two tries at the beginning. */
const patience = 10 * 60_000
const firstPause = 2000

/** The tree of this server's own settings, which may be a path of this host, with the commit that the series was to be applied on. */
export async function fetchTree({ commit_id: commit, ref, blame }: Request, { tree }: PatchworkSource, { settings: { cache, gitWorld, token }, signal }: Pick<SeriesContext, 'settings' | 'signal'>): Promise<Mirror> {
  const { openMirrors } = await import('../../git/mirrors.ts')
  return openMirrors(cache, { env: gitWorld, localPaths: true }).fetchMirror(tree, { commit: blame?.tip ?? commit, refs: [ref], commitOnly: blame !== undefined, token: cloneToken(tree, token), signal })
}

/** Makes the commits of a series' patches on `tip`, or on the commit that it names. Two builds of one series do so one after the other. */
export async function applyPatches(context: SeriesContext, tip: string): Promise<Applied> {
  const { series: { server, id }, turns, leaveSeat } = context
  const turn = `${server} ${id}`
  if (turns.isTaken(turn)) leaveSeat()
  const end = await turns.wait(turn)
  try {
    return await patiently(context, () => apply(context, tip))
  } finally {
    end()
  }
}

async function apply({ series, open, mirror, settings, signal }: SeriesContext, tip: string): Promise<Applied> {
  const directory = mkdtempSync(join(makeDirectory(workDirectory(settings.home)), 'apply-'))
  try {
    return await applySeries({ client: open.client, mirror, series, tip, exclude: open.source.exclude ?? [], directory: join(directory, 'trees'), signal })
  } finally {
    await removeAll(directory)
  }
}

/** A Patchwork server can be away for minutes, with another answering in its place; those who wait for none are built meanwhile. @throws what the last try threw */
async function patiently<T>({ signal, leaveSeat }: SeriesContext, work: () => Promise<T>): Promise<T> {
  const end = Date.now() + patience
  for (let pause = firstPause; ; pause = Math.min(2 * pause, 60_000)) {
    try {
      return await work()
    } catch (error) {
      if (!(isPassing(error) || isForeign(error)) || Date.now() + pause > end) throw error
    }
    leaveSeat()
    await sleep(pause, undefined, { signal })
  }
}
