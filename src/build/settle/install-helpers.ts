import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readStrangersFile } from '../../disk/read-strangers-file.ts'
import type { Ending, Execution, Limits } from '../../executor/executor.ts'
import { isTrusted, type Request } from '../../model/request.ts'
import { PipelineError } from '../../plan/pipeline/pipeline-error.ts'
import { PlanError } from '../../plan/plan-error.ts'
import { keepHelpers, takeHelpers } from './helpers-cache.ts'
import { withoutQuern } from './without-quern.ts'

export interface HelperSettings {
  home: string
  limits: Omit<Limits, 'timeout'>
  mayUseNetwork: (request: Request) => boolean
  /** Runs bash by the executor that evaluates the file. */
  execute: (script: string, given: Pick<Execution, 'workspace' | 'network' | 'mounts' | 'limits'>) => Promise<{ ending: Ending; printed: string }>
}

export interface HelperQuestion {
  file: { path: string; request: Request }
  /** The commit's work tree. */
  root: string
  /** Where work can be done that is removed afterwards. */
  directory: string
  settings: HelperSettings
}

/** Milliseconds that an installation may take. */
const patience = 10 * 60 * 1000

/** Bytes of package.json and of its lock file. */
const largest = 10 * 1024 * 1024

const npm = 'npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=3000 --cache "$TMPDIR/npm"\n'

/**
 * Puts the packages beside a pipeline file that the package.json there names: installed as its lock file says, in
 * isolation and without their install scripts, kept under cache/helpers by the lock file. What untrusted requests
 * installed serves untrusted ones only.
 * @throws {PipelineError} where package.json or its lock file is at fault, {PlanError} where this server does not or cannot install
 */
export async function installHelpers(question: HelperQuestion): Promise<void> {
  const { file, root, settings } = question
  const place = dirname(file.path)
  const manifest = read(join(root, place, 'package.json'))
  if (manifest === undefined || !namesPackages(manifest, join(place, 'package.json'))) return
  const lock = read(join(root, place, 'package-lock.json'))
  if (lock === undefined) throw new PipelineError(`${join(place, 'package.json')} names packages, but has no package-lock.json beside it: run "npm install" there and commit the file`)
  const kept = cachesFor(file.request, settings.home, `${process.version}\0${process.arch}\0${manifest}\0${lock}`)
  const target = join(root, place, 'node_modules')
  if (await takeHelpers(settings.home, kept, target)) return
  await install({ manifest, lock }, kept[0]!, question)
  await takeHelpers(settings.home, kept, target)
}

function read(path: string): string | undefined {
  const text = readStrangersFile(path, largest)
  return text === undefined ? undefined : withoutQuern(text)
}

function namesPackages(manifest: string, path: string): boolean {
  try {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(manifest) as Record<string, object>
    return Object.keys({ ...dependencies, ...devDependencies }).length > 0
  } catch (error) {
    throw new PipelineError(`${path}: ${(error as Error).message}`, '', { cause: error })
  }
}

/** Where an installation may be taken from; the first is where one of this request is kept. */
function cachesFor(request: Request, home: string, contents: string): string[] {
  const name = createHash('sha256').update(contents).digest('hex').slice(0, 32)
  const trusted = join(home, 'cache/helpers/trusted', name)
  return isTrusted(request) ? [trusted] : [join(home, 'cache/helpers/untrusted', name), trusted]
}

async function install({ manifest, lock }: { manifest: string; lock: string }, path: string, { file, directory, settings }: HelperQuestion): Promise<void> {
  const { request } = file
  if (!settings.mayUseNetwork(request)) throw new PlanError(`the packages of ${file.path} are not installed here yet, and untrusted requests of this repository get no network: a trusted request with the same lock file installs them, or add the repository under grants: untrusted_network:`)
  const workspace = join(directory, 'helpers')
  for (const path of [workspace, join(workspace, 'tmp'), join(workspace, 'node_modules')]) mkdirSync(path)
  writeFileSync(join(workspace, 'package.json'), manifest)
  writeFileSync(join(workspace, 'package-lock.json'), lock)
  const { ending, printed } = await settings.execute(npm, { workspace, network: isTrusted(request) ? 'host' : 'isolated', mounts: [], limits: { ...settings.limits, timeout: patience } })
  if (ending.verdict !== 'passed') throw whyNot(file.path, ending, printed)
  await keepHelpers(settings.home, join(workspace, 'node_modules'), path)
}

function whyNot(path: string, { verdict, code, reason }: Ending, printed: string): Error {
  const words = printed.split('\n').filter((line) => line.trim() !== '' && !/^npm notice|complete log of this run/.test(line)).slice(0, 5).join('; ').slice(0, 500)
  const message = `installing the packages of ${path}: ${reason ?? (verdict === 'failed' ? `npm ended with exit code ${code}` : verdict)}${words === '' ? '' : ` (${words})`}`
  const ours = verdict !== 'failed' || /ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|E50\d|npm: (?:command )?not found/.test(printed)
  return ours ? new PlanError(message) : new PipelineError(message, printed)
}
