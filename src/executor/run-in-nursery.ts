import { existsSync } from 'node:fs'
import { endingOf, type Exit, exitCode } from './ending.ts'
import { environmentFile, quoted } from './environment-file.ts'
import { homeOf } from './execution-id.ts'
import type { Ending, Execution } from './executor.ts'
import { holders, type Nursery, openNursery } from './nursery.ts'
import { giveOutputSlot } from './output-slot.ts'
import { endRest } from './run-tree.ts'
import { watchTree } from './watch.ts'

/** What is executed in a nursery. */
export interface Nursling {
  command: string[]
  directory: string
  env: Record<string, string>
}

/** Nurseries without a run. There are never more than ran at once. */
const idle: Nursery[] = []

/** Runs a command to its end in a nursery, as the contract of `Executor` says. This is the hot path of a builder with short runs. */
export async function runInNursery(prefix: string[], nursling: Nursling, execution: Execution, signal: AbortSignal): Promise<Ending> {
  if (signal.aborted) return { verdict: 'cancelled' }
  try {
    const nursery = takeFresh() ?? (await openNursery(prefix, homeOf(execution.id)))
    if (signal.aborted) {
      idle.push(nursery)
      return { verdict: 'cancelled' }
    }
    return await rear(nursery, nursling, execution, signal)
  } catch (error) {
    return { verdict: 'errored', reason: `the script could not be started: ${(error as Error).message}` }
  }
}

/** Opens a nursery for the first run that comes. False where none could be opened. */
export async function openSpare(prefix: string[], mark: string): Promise<boolean> {
  try {
    idle.push(await openNursery(prefix, mark))
    return true
  } catch {
    return false
  }
}

/** What a run changed for those after it, like mounts, ends a nursery, and so does what changed outside it meanwhile. */
function takeFresh(): Nursery | undefined {
  for (let nursery = idle.pop(); nursery !== undefined; nursery = idle.pop()) {
    if (nursery.isFresh()) return nursery
    nursery.close()
    nursery.slot.close()
  }
  return undefined
}

async function rear(nursery: Nursery, nursling: Nursling, execution: Execution, signal: AbortSignal): Promise<Ending> {
  const { slot, first } = nursery
  slot.listen(execution.output)
  const told = nursery.execute(programOf(nursling))
  const stopped = await watchTree({ first, holders }, told, { limits: execution.limits, signal })
  const { code, lost, end: itsEnd } = await told
  // Who was asked to end may be the subshell that has not begun the run yet, or the one for the next: what is said from now on is of no known run.
  const end = itsEnd ?? (stopped === undefined ? undefined : await nursery.kill())
  if (end !== undefined && end.signalled !== null) await endRest(first, execution.id)
  slot.drain()
  const complaints = end === undefined ? '' : slot.takeComplaints()
  keep(nursery, end)
  if (code === undefined && stopped === undefined) return { verdict: 'errored', reason: whyEnded(end!, complaints) }
  return endingOf(stopped, code ?? exitCode(end!), lost ? whyLost(nursling) : complaints)
}

/** Without its directory it does not start, and the environment comes last, so that nothing in it is meant for the shell. */
function programOf({ command, directory, env }: Nursling): string {
  return `cd -- ${quoted(directory)} || { echo lost >&3; exit 1; }
unset OLDPWD
${environmentFile(env)}exec 3>&- 4<&- 2>&1
exec ${command.map(quoted).join(' ')}
`
}

function whyLost({ directory }: Nursling): string {
  return existsSync(directory) ? `its directory ${directory} could not be entered` : `its directory ${directory} does not exist`
}

/** It is no fault of the script: nothing inside can end process 1. */
function whyEnded({ code, signalled }: Exit, complaints: string): string {
  const how = `${signalled === null ? `with exit code ${code}` : `by ${signalled}`}${complaints === '' ? '' : ` (${complaints})`}`
  return `the shell that executes the script ended before it, ${how}: that happens where no process can be forked, for the limits of the builder's user (ulimit -u) or control group (pids.max), and where the kernel lacks memory`
}

/** @param end its own, where it has ended */
function keep(nursery: Nursery, end: Exit | undefined): void {
  if (end === undefined) idle.push(nursery)
  else {
    nursery.close()
    if (end.signalled === null) giveOutputSlot(nursery.slot)
    else nursery.slot.close()
  }
}
