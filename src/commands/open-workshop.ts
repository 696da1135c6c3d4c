import { join } from 'node:path'
import { openLookout } from '../build/lookout.ts'
import { openTurns } from '../build/turns.ts'
import { openVerdicts } from '../build/blame/verdicts.ts'
import { openWorkspaces } from '../build/execute/workspaces.ts'
import { worldOf, homeId } from '../build/world.ts'
import type { Workshop } from '../build/workshop.ts'
import { makeDirectory } from '../disk/write.ts'
import { openLedger } from '../ledger/open-ledger.ts'
import { openLog } from '../log/open-log.ts'
import { choosePublishers } from '../publish/choose.ts'
import { openOutbox } from '../publish/outbox.ts'
import { writeReport } from '../publish/report-file.ts'
import { mailSender } from '../publish/settings.ts'
import { openDirectoryQueue } from '../queue/directory.ts'
import { isTrusted } from '../model/request.ts'
import { openRecords } from '../record/open-records.ts'
import type { QuernConfig } from './open-config.ts'
import { requireHome } from './open-home.ts'
import { patchworkPublishing } from './open-patchwork.ts'
import { openReporters, openSeriesAnnouncer } from './open-reporters.ts'
import { networkMaker, openExecutors } from './open-executors.ts'
import { openToolchains } from './open-toolchains.ts'
import { openSettlerOf } from './open-settler.ts'
import { pipelineFor } from './plan-settings.ts'

/** A stopped builder is to be gone within 10 seconds. */
const limits = { grace: 5000 }

/** Opens the rooms of a home and wires them for a builder. */
export function openWorkshop(config: QuernConfig, threads: number): Workshop {
  const { home, settings } = config
  const log = openLog(join(makeDirectory(join(requireHome(home), 'logs')), 'build.log'))
  const ledger = openLedger(join(home, 'ledger'), log)
  const executors = openExecutors(config)
  const { executor } = executors
  const queue = openDirectoryQueue(home, { ledger, log })
  const records = openRecords(home)
  const world = worldOf(config.environment, settings.BUILD_ENV)
  const id = homeId(home)
  return {
    home,
    homeId: id,
    threads,
    queue,
    lookout: openLookout(queue, log),
    records,
    ledger,
    log,
    pipelineOf: (request) => pipelineFor(config, request).directory,
    settle: openSettlerOf(config, executors),
    turns: openTurns(),
    workspaces: openWorkspaces(home),
    executor,
    prepare: once((request) => {
      const { pipeline, unlessOwn } = pipelineFor(config, request)
      if (pipeline === 'chunks' && !unlessOwn && isTrusted(request)) void executor('shell').then((shell) => shell.prepare?.(id))
    }),
    makeNetwork: networkMaker(config),
    world,
    toolchain: openToolchains(config, world),
    verdicts: openVerdicts(home, records),
    blame: { compare: settings.BLAME === 'auto', retry: settings.BLAME_RETRY === '1' },
    limits,
    logLimit: settings.LOG_LIMIT * 1024 ** 2,
    artifactLimit: settings.ARTIFACT_LIMIT * 1024 ** 2,
    untrusted: { time: settings.UNTRUSTED_TIMEOUT, output: settings.UNTRUSTED_OUTPUT },
    reportsOn: openReporters(config, { ledger, log }),
    reportsAtStart: openSeriesAnnouncer(config),
    outbox: openOutboxOf(config, { ledger, log }),
  }
}

/** Only the first request of a builder finds nothing prepared. */
function once(prepare: Workshop['prepare']): Workshop['prepare'] {
  let called = false
  return (request) => {
    if (!called) prepare(request)
    called = true
  }
}

function openOutboxOf(config: QuernConfig, { ledger, log }: Pick<Workshop, 'ledger' | 'log'>): Workshop['outbox'] {
  const { home, settings } = config
  const outbox = openOutbox(home, ledger)
  const from = mailSender(settings.MAIL_FROM, settings.CI_NAME)
  const publishers = choosePublishers({ email: { url: settings.SMTP_URL, from, builds: join(home, 'builds') }, patchwork: patchworkPublishing(config, log) })
  const deliver = async () => {
    const delivered = await outbox.deliverDue(publishers)
    for (const problem of delivered?.problems ?? []) log.error(problem)
    if (delivered && delivered.sent + delivered.later + delivered.dead > 0) log.info(delivered, 'reports delivered')
  }
  let last: Promise<void> = Promise.resolve()
  return {
    write: writeReport,
    handOver: outbox.handOver,
    // One after the other: whoever asks is answered when what was due at that moment has been tried.
    deliverDue: () => (last = last.catch(() => undefined).then(deliver)),
  }
}
