import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { makeDirectory } from '../disk/write.ts'
import type { BuildResult, RunResult } from '../model/build.ts'
import type { Mail } from '../model/mail.ts'
import { directoryName } from '../model/names.ts'
import type { Plan } from '../model/plan.ts'
import type { Request } from '../model/request.ts'
import { wentWrong } from '../model/verdict.ts'
import { readRunExcerpt } from './run-excerpt.ts'
import { failureMail, output, type FailedRun } from './failure-mail.ts'
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

/** What people are told of a build that did not pass. */
export interface FailureMails {
  /** None where nobody is to be told. */
  mails: Mail[]
  /** Why exactly these receivers, a sentence for the ledger. */
  why: string
  /** The output as the mails show it, for the log; undefined where the verdict is nobody's fault. */
  output: string | undefined
}

/**
 * Writes the mails about a build. Reads the console logs in the build's directory and keeps the gzipped ones that are
 * attached in its reports/. A log that cannot be read is named in the mail: the verdict is told all the same.
 */
export async function failureMails(build: { result: BuildResult; request: Request; plan?: Plan; directory: string }, settings: MailSettings): Promise<FailureMails> {
  const { verdict } = build.result
  const { receivers, why } = receiversOf(build, settings)
  if (!wentWrong(verdict)) return { mails: [], why, output: undefined }
  const blamed = blamedRuns(build.result)
  const runs = await readRuns(build.directory, blamed.slice(0, shownRuns))
  const story = { ...build, runs, moreRuns: Math.max(0, blamed.length - shownRuns), ciName: settings.ciName, domain: settings.from.slice(settings.from.lastIndexOf('@') + 1) }
  return { mails: receivers.map((to) => failureMail(story, to)), why, output: output(story) }
}

/** The runs that made the verdict; with them those that failed, whatever was graver. */
function blamedRuns({ verdict, runs }: BuildResult): RunResult[] {
  const gravest = runs.filter((run) => run.verdict === verdict)
  const failed = runs.filter((run) => run.verdict !== verdict && wentWrong(run.verdict))
  return [...gravest, ...failed]
}

async function readRuns(directory: string, runs: RunResult[]): Promise<FailedRun[]> {
  const read: FailedRun[] = []
  let room = attachedBytes
  for (const run of runs) {
    const failed = await readRun(directory, run, { shown: Math.floor(shownBytes / runs.length), room })
    room -= failed.attached
    read.push(failed)
  }
  return read
}

async function readRun(directory: string, run: RunResult, { shown, room }: { shown: number; room: number }): Promise<FailedRun & { attached: number }> {
  const runDirectory = join(directory, 'runs', directoryName(run.name))
  try {
    const excerpt = await readRunExcerpt(runDirectory, shown)
    return { run, excerpt, ...(excerpt.leftOut > 0 ? await attach(directory, run, room) : { attached: 0 }) }
  } catch (error) {
    const tail = `[reading ${join(runDirectory, 'console.log')} failed: ${(error as Error).message}]`
    return { run, excerpt: { bytes: 0, digest: undefined, tail, leftOut: 0 }, attached: 0 }
  }
}

/** Keeps the whole log beside the report. Where that fails, on a full disk, the mail goes without. */
async function attach(directory: string, run: RunResult, room: number): Promise<{ attachment?: string; notAttached?: string; attached: number }> {
  const attachment = `reports/log-${createHash('sha256').update(run.name).digest('hex').slice(0, 16)}.gz`
  try {
    makeDirectory(join(directory, 'reports'))
    const attached = await keepLog(join(directory, 'runs', directoryName(run.name), 'console.log'), join(directory, attachment), room)
    return attached === undefined ? { notAttached: 'is too large to attach', attached: 0 } : { attachment, attached }
  } catch (error) {
    return { notAttached: `could not be attached (${(error as Error).message})`, attached: 0 }
  }
}
