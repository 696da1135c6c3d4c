import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { makeDirectory } from '../disk/write.ts'
import type { BuildResult, RunResult } from '../model/build.ts'
import type { Mail } from '../model/mail.ts'
import { directoryName } from '../model/names.ts'
import type { Plan } from '../model/plan.ts'
import type { Request } from '../model/request.ts'
import { readExcerpt } from './excerpt.ts'
import { failureMail, type FailedRun } from './failure-mail.ts'
import { keepLog } from './keep-log.ts'
import { receiversOf, type MailBounds } from './receivers.ts'

export interface MailSettings extends MailBounds {
  /** CI_NAME */
  ciName: string
  /** The address in MAIL_FROM: its domain is that of the Message-IDs. */
  from: string
}

/** Bytes of output that a mail shows, and of gzipped logs that it carries. */
const shownBytes = 64 * 1024
const attachedBytes = 5 * 1024 * 1024

/** Runs whose output one mail shows. */
const shownRuns = 10

/**
 * The mails that tell of a build, none where nobody is to be told, and why: a sentence for the ledger. Reads the
 * console logs in the build's directory and keeps the gzipped ones that are attached in its reports/.
 */
export async function failureMails(build: { result: BuildResult; request: Request; plan?: Plan; directory: string }, settings: MailSettings): Promise<{ mails: Mail[]; why: string }> {
  const { receivers, why } = receiversOf(build, settings)
  if (receivers.length === 0) return { mails: [], why }
  const blamed = blamedRuns(build.result)
  const runs = await readRuns(build.directory, blamed.slice(0, shownRuns))
  const story = { ...build, runs, moreRuns: Math.max(0, blamed.length - shownRuns), ciName: settings.ciName, domain: settings.from.slice(settings.from.lastIndexOf('@') + 1) }
  return { mails: receivers.map((to) => failureMail(story, to)), why }
}

/** The runs that made the verdict; with them those that failed, whatever was graver. */
function blamedRuns({ verdict, runs }: BuildResult): RunResult[] {
  const gravest = runs.filter((run) => run.verdict === verdict)
  const failed = runs.filter((run) => run.verdict !== verdict && (run.verdict === 'failed' || run.verdict === 'timed-out' || run.verdict === 'errored'))
  return [...gravest, ...failed]
}

async function readRuns(directory: string, runs: RunResult[]): Promise<FailedRun[]> {
  const read: FailedRun[] = []
  let room = attachedBytes
  for (const run of runs) {
    const log = join(directory, 'runs', directoryName(run.name), 'console.log')
    const excerpt = await readExcerpt(log, Math.floor(shownBytes / runs.length))
    const attachment = `reports/log-${createHash('sha256').update(run.name).digest('hex').slice(0, 16)}.gz`
    if (excerpt.leftOut > 0) makeDirectory(join(directory, 'reports'))
    const bytes = excerpt.leftOut > 0 ? await keepLog(log, join(directory, attachment), room) : undefined
    room -= bytes ?? 0
    read.push({ run, excerpt, ...(bytes !== undefined && { attachment }) })
  }
  return read
}
