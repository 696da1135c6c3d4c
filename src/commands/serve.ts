import { join } from 'node:path'
import type { Command } from 'commander'
import { homeId } from '../build/world.ts'
import { installation } from '../config/home.ts'
import { makeDirectory } from '../disk/write.ts'
import { openLedger } from '../ledger/open-ledger.ts'
import { openLog, type Logger } from '../log/open-log.ts'
import { openPages, type Pages } from '../pages/open-pages.ts'
import { openDirectoryQueue } from '../queue/directory.ts'
import { webhookApp } from '../webhook/app.ts'
import { builderStarter } from '../webhook/builder-starter.ts'
import { startReceiver, type Receiver, type ReceiverAddress } from '../webhook/start-receiver.ts'
import { openConfig, type QuernConfig } from './open-config.ts'
import { requireOwnHome } from './open-home.ts'
import { openHooks } from './open-hooks.ts'
import { printLine } from './terminal.ts'
import { UserError } from './user-error.ts'

export function define(command: Command): void {
  command
    .addHelpText('after', '\nListens until it gets SIGTERM or SIGINT; start-webhook.sh and stop-webhook.sh do both for you.\nHOST, PORT, URL_PREFIX, TLS_KEY, TLS_CERT, SECRET, BUILD_ON_PUSH and PUBLIC_URL in environment.sh change what it does.')
    .action(async () => serve(await openConfig()))
}

/** Receives until it is told to stop; requests in flight are answered then, builds go on. */
async function serve(config: QuernConfig): Promise<void> {
  const { home, settings } = config
  const hooks = openHooks(config)
  const address = addressOf(config)
  const log = openReceiverLog(requireOwnHome(home))
  const ledger = openLedger(join(home, 'ledger'), log)
  const queue = openDirectoryQueue(home, { ledger, log })
  const app = webhookApp({ hooks, prefix: settings.URL_PREFIX, homeId: homeId(home), queue, ledger, log, afterQueued: settings.BUILD_ON_PUSH ? builder(config, log) : () => {}, elsewhere: pagesOf(config, log) })
  const receiver = await listen(app, address)
  for (const { id } of hooks) printLine(`Listening on ${receiver.url}${settings.URL_PREFIX}/${id}`)
  log.info({ url: receiver.url, hooks: hooks.map(({ id }) => id) }, 'the receiver listens')
  const signal = await stopSignal()
  log.info({ signal }, 'the receiver stops')
  await receiver.stop()
}

function openReceiverLog(home: string): Logger {
  try {
    return openLog(join(makeDirectory(join(home, 'logs')), 'webhook.log'))
  } catch (error) {
    throw new UserError(`opening the log of the receiver: ${(error as Error).message}. It must be able to write in ${home}`, { cause: error })
  }
}

function addressOf({ settings: { HOST, PORT, TLS_KEY, TLS_CERT } }: QuernConfig): ReceiverAddress {
  if ((TLS_KEY === undefined) !== (TLS_CERT === undefined)) throw new UserError('environment.sh sets only one of TLS_KEY and TLS_CERT: set both (paths of PEM files), or neither')
  return { host: HOST, port: PORT, tls: TLS_KEY === undefined ? undefined : { key: TLS_KEY, cert: TLS_CERT! } }
}

/** Pages are for those who have a public address to find them by. */
function pagesOf({ home, settings: { PUBLIC_URL: publicUrl, CI_NAME: ciName } }: QuernConfig, log: Logger): Pages | undefined {
  return publicUrl === undefined ? undefined : openPages({ home, publicUrl, ciName, log })
}

/** The launcher reads environment.sh again, so that a changed setting holds from the next build on. */
function builder({ home, environment }: QuernConfig, log: Logger): () => void {
  const command = join(installation(), 'bin/quern')
  const env = { ...environment, QUERN_HOME: home, NODE: process.execPath }
  return builderStarter({ command, args: ['build'], env }, (error) => log.error({ err: error }, 'the builder could not be started; cron will'))
}

async function listen(app: Parameters<typeof startReceiver>[0], address: ReceiverAddress): Promise<Receiver> {
  try {
    return await startReceiver(app, address)
  } catch (error) {
    throw new UserError((error as Error).message, { cause: error })
  }
}

/** Resolves with the first signal; a second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}
