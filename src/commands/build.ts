import { InvalidArgumentError, type Command } from 'commander'
import { deliverMeanwhile, grindQueue } from '../build/builder.ts'
import { formerHomeId } from '../build/world.ts'
import { endLeftovers, endMissed } from '../executor/leftovers.ts'
import { openConfig } from './open-config.ts'
import { settingsOf } from './open-executors.ts'
import { requireOwnHome } from './open-home.ts'
import { openWorkshop } from './open-workshop.ts'
import { tellBuilds } from './tell-builds.ts'

/** Milliseconds between two looks into the outbox while builds run: a mail that waits does not wait for a long build. */
const deliveryInterval = 30_000

/** Milliseconds after which a builder that was told to stop leaves whatever it waits for, like a mail server that hangs: it is to be gone within ten seconds. What it had not ended is the next one's, as if it had been killed. */
const longestGoodbye = 9000

/** What runs find in a bare cron's world, and what other users need to enter a tree that is handed to them: a login shell's or a service's may be anything. */
const givenUmask = 0o022

export function define(command: Command): void {
  command
    .option('--threads <number>', 'how many runs execute at once (THREADS in environment.sh, else 1)', wholeNumber)
    .addHelpText('after', '\nBuilds what waits in the queue and sends what waits in the outbox, then ends. Cron starts it each minute:\n  * * * * * QUERN_HOME=/path/to/home /path/to/bin/quern build --threads 2')
    .action(({ threads }: { threads?: number }) => build(threads))
}

async function build(threads: number | undefined): Promise<void> {
  process.umask(givenUmask)
  const config = await openConfig()
  requireOwnHome(config.home)
  const opened = openWorkshop(config, threads ?? config.settings.THREADS)
  const workshop = process.stdout.isTTY ? { ...opened, ledger: tellBuilds(opened.ledger) } : opened
  const { container } = settingsOf(config)
  const endLeft = async (homeId: string, { died }: { died: boolean }) => {
    if (!died) return endMissed(homeId, container)
    await endLeftovers(formerHomeId(config.home), container)
    await endLeftovers(homeId, container)
  }
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
  const leave = () => {
    workshop.log.warn('the builder was told to stop and leaves before all has ended; the next one mends what is left')
    process.exit()
  }
  stop.signal.addEventListener('abort', () => setTimeout(leave, longestGoodbye).unref())
  const delivery = setInterval(() => void deliverMeanwhile(workshop), deliveryInterval)
  try {
    const built = await grindQueue(workshop, { endLeftovers: endLeft, stop: stop.signal })
    if (!built && !stop.signal.aborted && process.stderr.isTTY) process.stderr.write('Another builder is at work in this home; it builds what waits.\n')
  } catch (error) {
    workshop.log.fatal({ err: error }, `the builder ends: ${(error as Error).message}; what it claimed waits again`)
    throw error
  } finally {
    clearInterval(delivery)
    if (!stop.signal.aborted) await workshop.outbox.deliverDue()
  }
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 1 to 999')
  return Number(text)
}
