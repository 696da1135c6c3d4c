import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { readableLine } from '../model/readable.ts'
import type { Hook } from '../webhook/hook.ts'
import { describeLocalPush, type LocalPush } from '../webhook/local-push.ts'
import { openConfig, type QuernConfig } from './open-config.ts'
import { openHooks } from './open-hooks.ts'
import { post } from './post.ts'
import { receiverUrl } from './receiver-url.ts'
import { paint, printJson, printLine } from './terminal.ts'
import { UserError } from './user-error.ts'

interface PushOptions {
  to?: string
  json?: boolean
}

interface Target {
  url: string
  secret: string
  /** Whether it is this home's own receiver, on this machine. */
  own: boolean
}

interface Answer {
  result: string
  reason: string
  entry?: string
}

export function define(command: Command): void {
  command
    .argument('[directory]', 'a directory in the repository', '.')
    .option('--to <url>', "the hook's URL; without it, this home's own receiver")
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', '\nTells the receiver, signed as a forge does it, that the checked-out branch was pushed. Only what is committed is built.\nExamples:\n  quern push\n  quern push ~/src/app --to http://ci.example.org:8196/webhook/amp_main')
    .action(push)
}

async function push(directory: string, { to, json }: PushOptions): Promise<void> {
  const config = await openConfig()
  const target = targetOf(config, to)
  const described = await describe(directory, config)
  const { status, answer } = await send(target, described)
  if (json) printJson({ status, ...answer })
  else printLine(tell(status, answer))
  if (status >= 300) process.exitCode = 1
}

/** The hook's URL and secret: a URL given by hand is signed with the secret of the hook that it names. */
function targetOf(config: QuernConfig, to: string | undefined): Target {
  const hooks = openHooks(config)
  const { settings } = config
  const own = hooks.find(({ id }) => id === 'amp_main') ?? hooks[0]!
  if (to === undefined) return { url: `${receiverUrl(settings)}${settings.URL_PREFIX}/${own.id}`, secret: own.secret, own: true }
  if (!URL.canParse(to) || !/^https?:$/.test(new URL(to).protocol)) throw new UserError(`--to ${readableLine(to)}: expected a URL like http://ci.example.org:8196/webhook/amp_main`)
  return { url: to, secret: (hookNamedBy(to, hooks) ?? own).secret, own: false }
}

function hookNamedBy(url: string, hooks: Hook[]): Hook | undefined {
  const last = new URL(url).pathname.split('/').findLast((part) => part !== '')
  return hooks.find(({ id }) => id === last)
}

async function describe(directory: string, { environment }: QuernConfig): Promise<LocalPush> {
  try {
    return await describeLocalPush(directory, environment)
  } catch (error) {
    throw new UserError(`${(error as Error).message}. "quern push" takes a git repository with a commit and a branch checked out`, { cause: error })
  }
}

/** The certificate of the own receiver is made for its public name, and here it is called by its address: any will do. */
async function send({ url, secret, own }: Target, body: LocalPush): Promise<{ status: number; answer: Answer }> {
  const { Webhooks } = await import('@octokit/webhooks')
  const text = JSON.stringify(body)
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'push',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': await new Webhooks({ secret }).sign(text),
  }
  const response = await post({ url, headers, text, anyCertificate: own }).catch((error: unknown) => unreachable(url, error))
  return { status: response.status, answer: readAnswer(response.text) }
}

function readAnswer(text: string): Answer {
  try {
    return JSON.parse(text) as Answer
  } catch {
    return { result: 'unknown', reason: 'the answer is not from a Quern receiver' }
  }
}

function unreachable(url: string, error: unknown): never {
  // An abort says only that it was one; why is in the cause.
  const why = ((error as Error).cause ?? error) as NodeJS.ErrnoException
  throw new UserError(`sending to ${url}: ${why.code === 'ECONNREFUSED' ? 'nothing listens there; start the receiver with start-webhook.sh' : why.message}`, { cause: error })
}

function tell(status: number, { result, reason, entry }: Answer): string {
  const style = status === 202 ? 'green' : status < 300 ? 'yellow' : 'red'
  return `${paint(style, readableLine(result))} (${status}): ${readableLine(reason)}${entry === undefined ? '' : `\nentry ${readableLine(entry)}`}`
}
