import { join } from 'node:path'
import { listRefs, removeRefs } from '../git/prune-refs.ts'
import { gitWorld } from '../git/run-git.ts'
import { buildName } from '../model/build.ts'
import { forgetSeries, rememberedSeries, seriesOfRef } from '../patchwork/prune-series.ts'
import { seriesName } from '../patchwork/source-name.ts'
import type { Pruned } from '../record/prune.ts'
import { recordedRequests } from '../record/recorded-requests.ts'
import type { QuernConfig } from './open-config.ts'
import { openHome } from './open-home.ts'

/** Where the commits of patches are kept in mirrors. */
const refs = 'refs/quern/series/'

/**
 * Forgets mailed series together with their last record, but not before `before`: until then a newer version is known, and
 * nothing is told twice. Their commits go as soon as no entry wants them and no record is younger: they can be made again.
 * Returns how many series were forgotten.
 */
export async function pruneSeries({ home, environment }: QuernConfig, { before, removed, dryRun }: { before: number; removed: Pruned[]; dryRun: boolean }): Promise<number> {
  const env = gitWorld(environment)
  // Looked at first: what comes meanwhile is not among it.
  const kept = await listRefs(join(home, 'cache/git'), refs, env)
  const old = rememberedSeries(home).filter(({ newest }) => newest < before)
  if (kept.length === 0 && old.length === 0) return 0
  const { recorded, recent } = await knownSeries(home, { before, removed })
  const forgotten = old.filter(({ name }) => !recorded.has(name))
  if (dryRun) return forgotten.length
  for (const series of forgotten) forgetSeries(home, series)
  for (const { mirror, refs: all } of kept) await removeRefs({ mirror, refs: all.filter((ref) => !recent.has(seriesOfRef(ref) ?? '')) }, env)
  return forgotten.length
}

/** The series that have an entry or a record, and those of them that have an entry or a record that is younger than `before`. */
async function knownSeries(home: string, { before, removed }: { before: number; removed: Pruned[] }): Promise<{ recorded: Set<string>; recent: Set<string> }> {
  const waiting = (await openHome().queue.list()).flatMap(({ request }) => (request?.series === undefined ? [] : [seriesName(request.series)]))
  const gone = new Set(removed.map(buildName))
  const [recorded, recent] = [new Set(waiting), new Set(waiting)]
  for (const { build, request: { series, received } } of recordedRequests(home)) {
    if (series === undefined || gone.has(build)) continue
    recorded.add(seriesName(series))
    if (received === undefined || Date.parse(received) >= before) recent.add(seriesName(series))
  }
  return { recorded, recent }
}
