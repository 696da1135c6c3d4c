import { createHash } from 'node:crypto'
import { buildName, type BuildResult, type RunResult } from '../model/build.ts'
import { directoryName } from '../model/names.ts'
import type { Mail } from '../model/mail.ts'
import { readableLine } from '../model/readable.ts'
import type { Request } from '../model/request.ts'
import type { Digest } from './digest.ts'
import type { Excerpt } from './run-excerpt.ts'

/** What a failure mail is made of. */
export interface FailureStory {
  result: BuildResult
  request: Request
  /** CI_NAME */
  ciName: string
  /** The domain on the right of the Message-ID. */
  domain: string
  /** The runs that are to blame, in the plan's order, and what they printed. */
  runs: FailedRun[]
  /** How many further failed runs are not shown. */
  moreRuns: number
}

export interface FailedRun {
  run: RunResult
  excerpt: Excerpt
  /** The whole log, gzipped, as a path in the build's directory; absent where the log is shown whole or is too large to send. */
  attachment?: string
  /** Why the whole log is not attached though it is not shown whole: `is too large to attach`. */
  notAttached?: string
}

/** Lines that a person takes in at a look: only longer output is opened by its first error. */
const oneLook = 60

/** The mail that tells one receiver of a failed, timed-out or errored build. */
export function failureMail(story: FailureStory, to: string): Mail {
  const { result, request, ciName, runs } = story
  const ended = result.verdict === 'errored' ? 'errored' : 'failed'
  return {
    to,
    subject: readableLine(`${ciName} build ${ended} for ${result.repository}/${result.commit_id}`),
    text: `Greetings and salutations ${addressee(request, ended)}!

Hopefully this email finds you well.

The build for ${readableLine(result.repository)} commit ${result.commit_id} in the branch ${readableLine(result.ref)} has ${ended}.

${whatCame(runs[0]?.run)}
----------------------------------
${output(story)}
----------------------------------

Sorry about that.

With warmest regards,
${ciName} CI
`,
    message_id: `${messageKey(result, to)}@${story.domain}`,
    headers: { 'X-Quern-Build': readableLine(buildName(result)) },
    attachments: runs.flatMap(({ run, attachment }) => (attachment === undefined ? [] : [{ filename: attachmentName(run, runs), path: attachment, content_type: 'application/gzip' }])),
  }
}

/** Names the attempt's entry too, since a home that was made anew numbers its builds from 1 again. */
function messageKey(result: BuildResult, to: string): string {
  return createHash('sha256').update(`${buildName(result)}\0${result.entry}\0${result.commit_id}\0${to.toLowerCase()}`).digest('hex').slice(0, 40)
}

function addressee(request: Request, ended: 'failed' | 'errored'): string {
  if (ended === 'errored') return 'administrator'
  return readableLine(request.committer_name) || readableLine(request.author_name ?? '') || readableLine(request.pusher_name ?? '') || 'committer'
}

/** The line above the output: how the script ended, where it did by itself. */
function whatCame(run: RunResult | undefined): string {
  if (run === undefined) return 'No script was run, for this reason:'
  if (run.verdict === 'errored') return 'The script could not be run to its end. Its output, and the reason:'
  return `The script returned ${returned(run)} and produced the following output:`
}

function returned({ verdict, code, signal }: RunResult): string {
  if (verdict === 'timed-out') return 'no rc, since its time was up,'
  if (code !== undefined) return `an rc of ${code}`
  return signal === undefined ? 'no rc' : `no rc, since it was ended by ${signal},`
}

/** The output part of the mail. */
export function output({ result, runs, moreRuns }: FailureStory): string {
  const several = result.runs.length > 1
  const parts = runs.map((failed) => (several ? `${runLine(failed.run)}\n` : '') + outputOf(failed))
  if (result.reason !== undefined && !runs.some(({ run }) => run.reason === result.reason)) parts.push(readableLine(result.reason))
  if (moreRuns > 0) parts.push(`${moreRuns} more runs failed; their output is in the record of the build, ${buildName(result)}.`)
  return parts.filter((part) => part !== '').join('\n\n') || '(no output)'
}

function runLine({ name, verdict, code, signal }: RunResult): string {
  const ending = verdict === 'failed' ? (code === undefined ? signal : `rc ${code}`) : undefined
  return `Run ${readableLine(name)} ${verdict}${ending === undefined ? '' : ` (${ending})`}:`
}

function outputOf({ run, excerpt, notAttached }: FailedRun): string {
  const { digest, tail, leftOut, bytes } = excerpt
  const long = leftOut > 0 || tail.split('\n').length > oneLook
  const opening = long && digest !== undefined && !digest.guess ? `${firstError(digest)}\n\n` : ''
  const sentence = leftOut > 0 ? `[${leftOut} of ${bytes} bytes of output are left out here. The whole log ${notAttached === undefined ? 'is attached.' : `${readableLine(notAttached)}: it is in the record of the build.`} Its end:]\n` : opening === '' ? '' : '[The whole output:]\n'
  // A fault in the pipeline file is both what was printed and the reason.
  const reason = run.reason === undefined || tail.includes(run.reason) ? '' : `${tail === '' ? '' : '\n'}[${readableLine(run.reason)}]`
  return opening + sentence + tail + reason
}

function firstError({ line, lines, file, fileLine, source }: Digest): string {
  const place = file === undefined ? '' : ` (${readableLine(file)}${fileLine === undefined ? '' : `:${fileLine}`})`
  return `[The first error, in line ${line} of ${source ?? 'the output'}${place}:]\n${lines.join('\n')}`
}

function attachmentName(run: RunResult, runs: FailedRun[]): string {
  return runs.length === 1 ? 'console.log.gz' : `${directoryName(run.name)}.log.gz`
}
