import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { orMissing } from '../../disk/read.ts'
import { readStrangersFile } from '../../disk/read-strangers-file.ts'
import { makeDirectory } from '../../disk/write.ts'
import { quoted } from '../../executor/environment-file.ts'
import type { Ending } from '../../executor/executor.ts'
import { isTrusted, type Request } from '../../model/request.ts'
import { readable } from '../../model/readable.ts'
import type { EvaluationAnswer, EvaluationInput } from '../../plan/pipeline/evaluation.ts'
import { PipelineError } from '../../plan/pipeline/pipeline-error.ts'
import { PlanError } from '../../plan/plan-error.ts'
import { installHelpers, type HelperSettings } from './install-helpers.ts'
import { removeTree, workDirectory } from '../execute/work-directory.ts'
import type { Mount, Workshop } from '../workshop.ts'

export interface EvaluatorSettings extends Pick<Workshop, 'home' | 'homeId' | 'world' | 'limits' | 'executor'> {
  /** Where the evaluating program and the pipeline API lie: the only part of the installation that a pipeline file sees. */
  program: string
  /** The executor for trusted requests; others are always evaluated in the sandbox. */
  trustedExecutor: 'sandbox' | 'shell'
  /** Seconds that a file may take. */
  timeout: number
  /** Whether the helpers of a request's pipeline may be fetched. */
  mayUseNetwork: HelperSettings['mayUseNetwork']
}

/** A pipeline file of a commit. */
interface PipelineFile {
  /** Below the repository's top. */
  path: string
  request: Request
  repo: EvaluationInput['repo']
  checkOut: (directory: string) => Promise<Mount[]>
}

/** Evaluates a pipeline file and resolves with the jobs that it asks for, as data that nobody has checked yet. */
export type Evaluate = (file: PipelineFile, signal: AbortSignal) => Promise<unknown>

/** Where a sandbox finds the evaluating program. */
const programInside = '/quern/pipeline'

const mebibyte = 1024 * 1024

/** MiB of JavaScript objects; the process as a whole may have twice that. */
const heap = 512

/** Bytes of an answer, and of what the file prints. */
const largestAnswer = 16 * mebibyte
const keptOutput = 64 * 1024

/**
 * Opens the evaluation of pipeline files: each once, in a process of its own that is isolated like a job, without
 * network and secrets, for a bounded time.
 * Rejects with a PipelineError where the file is at fault, and with another error where this server is.
 */
export function openEvaluator(settings: EvaluatorSettings): Evaluate {
  return async (file, signal) => {
    const directory = mkdtempSync(join(makeDirectory(workDirectory(settings.home)), 'evaluate-'))
    try {
      return await evaluateIn(directory, file, { settings, signal })
    } finally {
      await removeTree(directory)
    }
  }
}

async function evaluateIn(directory: string, file: PipelineFile, { settings, signal }: { settings: EvaluatorSettings; signal: AbortSignal }): Promise<unknown> {
  const workspace = join(directory, 'work')
  const root = join(workspace, 'tree')
  for (const path of [workspace, join(workspace, 'tmp')]) mkdirSync(path)
  const mounts = await file.checkOut(root)
  // What is written beside the file must not follow a link of the commit to somewhere else.
  if (orMissing(() => realpathSync(join(root, file.path))) !== join(realpathSync(root), file.path)) throw new PipelineError(`the commit has no file ${file.path}, which is to be its pipeline`)
  const isolated = !isTrusted(file.request) || settings.trustedExecutor === 'sandbox'
  const execute = executeIn(directory, { settings, signal, isolated, untrusted: !isTrusted(file.request) })
  await installHelpers({ file, root, directory, settings: { ...settings, execute } })
  const program = isolated ? programInside : settings.program
  const input: EvaluationInput = { root, file: file.path, api: join(program, 'index.js'), answer: join(workspace, 'answer.json'), repo: file.repo }
  writeFileSync(join(workspace, 'input.json'), JSON.stringify(input))
  const { ending, printed } = await execute(`exec node --max-old-space-size=${heap} ${quoted(join(program, 'evaluate.js'))} ${quoted(join(workspace, 'input.json'))}\n`, {
    workspace,
    network: 'none',
    mounts: isolated ? [...mounts, { from: settings.program, to: programInside, readonly: true }] : [],
    limits: { ...settings.limits, timeout: settings.timeout * 1000, memory: 2 * heap * mebibyte, ...(isolated && { processes: 256 }), fileSize: 256 * mebibyte },
  })
  signal.throwIfAborted()
  return definedBy(file.path, { answer: answerIn(input.answer), ending, printed, settings })
}

/** Runs bash for an evaluation, by the executor that is right for the request. */
function executeIn(directory: string, { settings, signal, isolated, untrusted }: { settings: EvaluatorSettings; signal: AbortSignal; isolated: boolean; untrusted: boolean }): HelperSettings['execute'] {
  return async (text, given) => {
    const executor = await settings.executor(isolated ? 'sandbox' : 'shell')
    const script = join(directory, 'script')
    writeFileSync(script, text)
    const output = openOutput()
    const env = { ...settings.world, TMPDIR: join(given.workspace, 'tmp') }
    const ending = await executor.execute({ id: `${settings.homeId}/pipeline/0/${basename(directory)}`, script, env, output: output.push, untrusted, ...given }, signal)
    return { ending, printed: output.text() }
  }
}

function definedBy(path: string, { answer, ending, printed, settings }: { answer: EvaluationAnswer | undefined; ending: Ending; printed: string; settings: EvaluatorSettings }): unknown {
  if (ending.verdict === 'errored') throw new PlanError(`evaluating ${path}: ${ending.reason}${remedy(ending.reason)}`)
  if (ending.verdict === 'timed-out') throw new PipelineError(`${path}: it did not come to its end within ${settings.timeout} seconds`, printed)
  if (answer !== undefined && 'defined' in answer) return answer.defined
  if (answer !== undefined) throw new PipelineError(readable(answer.mistake.slice(0, 4000)), printed)
  if (/heap out of memory|memory and was killed/.test(`${printed}${ending.reason}`)) throw new PipelineError(`${path}: it needs more than the ${heap} MiB of memory that it may have`, printed)
  throw new PipelineError(`${path}: ${ending.reason ?? `its process ended with exit code ${ending.code} and left no jobs`}`, printed)
}

function remedy(reason = ''): string {
  return reason.includes('bubblewrap is not installed') ? ' (PIPELINE_EXECUTOR="shell" in environment.sh evaluates the files of trusted requests without isolation)' : ''
}

/** What the process left, which project code may have written or replaced. */
function answerIn(path: string): EvaluationAnswer | undefined {
  const text = readStrangersFile(path, largestAnswer)
  if (text === undefined) return undefined
  try {
    const answer = JSON.parse(text) as EvaluationAnswer
    return typeof answer === 'object' && answer !== null && ('defined' in answer || typeof answer.mistake === 'string') ? answer : undefined
  } catch {
    return undefined
  }
}

/** Keeps the beginning of what is printed. */
function openOutput(): { push: (chunk: Uint8Array) => void; text: () => string } {
  const chunks: Buffer[] = []
  let room = keptOutput
  return {
    push(chunk) {
      if (room > 0) chunks.push(Buffer.from(chunk.subarray(0, room)))
      room -= chunk.length
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  }
}
