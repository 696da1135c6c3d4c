import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { orMissing } from '../disk/read.ts'
import type { Logger } from '../log/open-log.ts'
import { openPatchwork, type ClientOptions, type PatchworkClient } from '../patchwork/client.ts'
import { parseBuildName } from '../model/build.ts'
import type { Series } from '../model/request.ts'
import { isTerminal } from '../model/verdict.ts'
import { ownMail, supersededBy } from '../patchwork/series-ledger.ts'
import type { PatchworkSource } from '../patchwork/settings.ts'
import type { PublisherSettings } from '../publish/choose.ts'
import { openRecords } from '../record/open-records.ts'
import type { QuernConfig } from './open-config.ts'

/** A Patchwork project of quern.yaml with what speaks to it. */
export interface OpenSource {
  source: PatchworkSource
  client: PatchworkClient
}

/** The Patchwork projects of this home. Nothing is asked yet. Without its token a project can be read and not posted to. */
export function openSources({ settings, structure, environment }: QuernConfig, bounds: Pick<ClientOptions, 'timeout' | 'tries'> = {}): OpenSource[] {
  return structure.patchwork.map((source) => ({ source, client: clientOf(source, { ciName: settings.CI_NAME, environment, bounds }) }))
}

/** The project of quern.yaml that a series is of; undefined where it is not there any more. */
export function sourceOf(config: QuernConfig, { server, project }: Series): OpenSource | undefined {
  return openSources(config).find(({ client }) => client.server === server && client.project === project)
}

function clientOf(source: PatchworkSource, { ciName, environment, bounds }: { ciName: string; environment: QuernConfig['environment']; bounds: Pick<ClientOptions, 'timeout' | 'tries'> }): PatchworkClient {
  const { url, project, token_env: name, pace } = source
  const token = name === undefined ? undefined : environment[name]?.trim()
  // CI_NAME is any line; a header takes ASCII only.
  const userAgent = `quern (${ciName.replace(/[^\x20-\x7e]|[()\\]/g, '?')})`
  return openPatchwork({ url, project, userAgent, interval: 1000 / pace, ...bounds, ...(token && { token }) })
}

/** What the publishers of checks and replies need: where to post, when not to, and who has the word. */
export function patchworkPublishing(config: QuernConfig, log: Pick<Logger, 'info'>): PublisherSettings['patchwork'] {
  const { home } = config
  return {
    servers: openSources(config).map(({ source, client }) => ({ client, rehearse: source.rehearse })),
    outdated: (series) => {
      const newer = supersededBy(home, series)
      return newer === undefined ? undefined : `series ${series.id} was superseded by version ${newer.version}, series ${newer.by}: nothing is told about it any more`
    },
    ended: (build) => isTerminal(openRecords(home).status(parseBuildName(build)!)),
    retold: (build, reports) => newerBuilds(home, build).find((newer) => reports.some((id) => existsSync(join(home, 'builds', newer, 'reports', `${id}.json`)))),
    owner: (series, build) => ownMail(home, series, build),
    rehearsed: (check) => log.info({ check }, 'rehearsal: this check would have been posted'),
  }
}

/** Those of the same pipeline. */
function newerBuilds(home: string, build: string): string[] {
  const { pipeline, number } = parseBuildName(build)!
  const names = orMissing(() => readdirSync(join(home, 'builds', pipeline))) ?? []
  return names.filter((name) => Number(name) > number).map((name) => `${pipeline}/${name}`)
}
