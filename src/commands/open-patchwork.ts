import type { Logger } from '../log/open-log.ts'
import { openPatchwork, type PatchworkClient } from '../patchwork/client.ts'
import { supersededBy } from '../patchwork/series-ledger.ts'
import type { PatchworkSource } from '../patchwork/settings.ts'
import type { PatchworkChecksOptions } from '../publish/patchwork-check.ts'
import type { QuernConfig } from './open-config.ts'

/** A Patchwork project of quern.yaml with what speaks to it. */
export interface OpenSource {
  source: PatchworkSource
  client: PatchworkClient
}

/** The Patchwork projects of this home. Nothing is asked yet. Without its token a project can be read and not posted to. */
export function openSources({ settings, structure, environment }: QuernConfig): OpenSource[] {
  return structure.patchwork.map((source) => ({ source, client: clientOf(source, { ciName: settings.CI_NAME, environment }) }))
}

function clientOf(source: PatchworkSource, { ciName, environment }: { ciName: string; environment: QuernConfig['environment'] }): PatchworkClient {
  const { url, project, token_env: name, pace } = source
  const token = name === undefined ? undefined : environment[name]?.trim()
  // CI_NAME is any line; a header takes ASCII only.
  const userAgent = `quern (${ciName.replace(/[^\x20-\x7e]|[()\\]/g, '?')})`
  return openPatchwork({ url, project, userAgent, interval: 1000 / pace, ...(token && { token }) })
}

/** What the publisher of checks needs: where to post, and when not to. */
export function patchworkChecks(config: QuernConfig, log: Pick<Logger, 'info'>): PatchworkChecksOptions {
  return {
    servers: openSources(config).map(({ source, client }) => ({ client, rehearse: source.rehearse })),
    outdated: (series) => {
      const newer = supersededBy(config.home, series)
      return newer === undefined ? undefined : `series ${series.id} was superseded by version ${newer.version}, series ${newer.by}: nothing is told about it any more`
    },
    rehearsed: (check) => log.info({ check }, 'rehearsal: this check would have been posted'),
  }
}
