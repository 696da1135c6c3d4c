import { isSimple } from './environment-file.ts'
import { homeOf } from './execution-id.ts'
import type { Ending, Execution, Executor, Limits } from './executor.ts'
import { findProgram } from './find-program.ts'
import { type Nursling, openSpare, runInNursery } from './run-in-nursery.ts'
import { runTree, type Tree } from './run-tree.ts'
import { treeKiller, type TreeKiller, type TreeKillSetting, works } from './tree-killer.ts'

/**
 * Bash on this host, with the host's files and network: for trusted requests only.
 * Trees are held together as `treeKiller` found possible; memory and file size are limited by prlimit(1).
 */
export function openShell(treeKill: TreeKillSetting): Executor {
  const findKiller = (homeId: string) => treeKiller(treeKill, async (candidate) => (hasNamespace(candidate) && (await openSpare(candidate.prefix, homeId))) || works(candidate))
  return {
    prepare: (homeId) => void findKiller(homeId),
    execute: async (execution, signal) => {
      const bash = findProgram('bash')
      if (bash === undefined) return { verdict: 'errored', reason: 'bash is not installed here: apt-get install bash' }
      const { limiter, notes } = limitsOf(execution.limits)
      const { id, workspace, start = workspace, env, shared, beside = [] } = execution
      const script = { command: [...limiter, bash, execution.script], directory: start, env: { ...env, ...(shared !== undefined && { QUERN_SHARED: shared }), QUERN_RUN: id } }
      const killer = await findKiller(homeOf(id))
      const ending = await (beside.length === 0 ? hold(script, killer, execution, signal) : holdAmongServices(script, { killer, treeKill, beside }, execution, signal))
      const told = [...notes, ...(ending.notes ?? [])]
      return { ...ending, ...(told.length > 0 && { notes: told }) }
    },
  }
}

function hold(script: Nursling, killer: TreeKiller, execution: Execution, signal: AbortSignal): Promise<Ending> {
  return hasNamespace(killer) && isSimple(script.env) ? runInNursery(killer.prefix, script, execution, signal) : runTree(alone(script, killer), execution, signal)
}

/** A run that sees other names than the host has mounts to itself, which no later run may get. */
async function holdAmongServices(script: Nursling, { killer, treeKill, beside }: { killer: TreeKiller; treeKill: TreeKillSetting; beside: string[] }, execution: Execution, signal: AbortSignal): Promise<Ending> {
  const { openServiceNames } = await import('./service-names.ts')
  const names = await openServiceNames(beside, killer, treeKill).catch((error: Error) => error)
  if (names instanceof Error) return { verdict: 'errored', reason: `telling the run the names of services: ${names.message}` }
  try {
    if (names.prefix === undefined) return { ...(await hold(script, killer, execution, signal)), ...(names.notes.length > 0 && { notes: names.notes }) }
    return await runTree(alone(script, { kind: killer.kind, prefix: names.prefix }), execution, signal)
  } finally {
    names.close()
  }
}

/** bubblewrap makes one, too, but ends with its first run. */
function hasNamespace({ kind }: TreeKiller): boolean {
  return kind === 'namespace' || kind === 'user-namespace'
}

/**
 * A shell of its own is process 1 of the namespace and bash its child: as process 1, bash would ignore a script's
 * `kill $$`, and a build that wanted to fail would go on and pass. What it says itself ("Terminated") is nobody's output,
 * but that it cannot fork at all.
 */
function alone({ command, ...script }: Nursling, { kind, prefix }: Pick<TreeKiller, 'kind' | 'prefix'>): Tree {
  const holder = kind === 'group' ? [] : [findProgram('sh') ?? '/bin/sh', '-c', '(:) || exit; exec 2>/dev/null; ("$@" 2>&1); exit $?', 'sh']
  return { ...script, command: [...prefix, ...holder, ...command], holders: kind === 'group' ? 0 : 2, notes: [] }
}

function limitsOf({ memory, fileSize, processes, cpus }: Limits): { limiter: string[]; notes: string[] } {
  const options = [...(memory === undefined ? [] : [`--data=${memory}`]), ...(fileSize === undefined ? [] : [`--fsize=${fileSize}`])]
  const prlimit = findProgram('prlimit')
  const notes: string[] = []
  if (options.length > 0 && prlimit === undefined) notes.push('memory and file size are not limited: prlimit (util-linux) is not installed')
  else if (memory !== undefined) notes.push('memory is limited for each process by itself, not for the run as a whole')
  if (processes !== undefined) notes.push('the shell executor does not limit the number of processes')
  if (cpus !== undefined) notes.push('the shell executor does not limit CPUs')
  return { limiter: options.length > 0 && prlimit !== undefined ? [prlimit, ...options] : [], notes }
}
