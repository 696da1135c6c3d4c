import { spawn } from 'node:child_process'
import { findProgram } from './find-program.ts'

/** How the processes of a shell run are held together, so that none outlives the run. */
export interface TreeKiller {
  kind: 'namespace' | 'user-namespace' | 'bubblewrap' | 'group'
  /** One sentence for doctor and the record. */
  note: string
  /** Stands before the command that becomes process 1 of a namespace of its own; empty for a group. */
  prefix: string[]
}

export type TreeKillSetting = 'auto' | 'group'

const known = new Map<TreeKillSetting, Promise<TreeKiller>>()

/**
 * The best tree killer that works on this host for this user, found once a process by trying.
 * `group` is for builds that need sudo or su, which an ordinary user's namespaces disable.
 */
export function treeKiller(setting: TreeKillSetting, tryOut: (candidate: TreeKiller) => Promise<boolean> = works): Promise<TreeKiller> {
  const chosen = known.get(setting) ?? (setting === 'group' ? Promise.resolve(groupKiller('TREE_KILL=group is set')) : firstThatWorks(tryOut))
  known.set(setting, chosen)
  return chosen
}

async function firstThatWorks(tryOut: (candidate: TreeKiller) => Promise<boolean>): Promise<TreeKiller> {
  const candidates = process.getuid?.() === 0 ? [namespaceKiller(), bubblewrapKiller()] : [userNamespaceKiller(), bubblewrapKiller()]
  for (const candidate of candidates) if (candidate !== undefined && (await tryOut(candidate))) return candidate
  return groupKiller('this host allows no PID namespace here: neither unshare and setpriv (util-linux) nor bwrap (bubblewrap) can make one')
}

function namespaceKiller(): TreeKiller | undefined {
  const prefix = unsharePrefix([])
  return prefix && { kind: 'namespace', note: 'each run has a PID namespace to itself, nothing of it outlives it', prefix }
}

function userNamespaceKiller(): TreeKiller | undefined {
  const prefix = unsharePrefix(['--user', '--map-current-user'])
  const note = 'each run has a user and PID namespace to itself, nothing of it outlives it; sudo and su do not work inside (TREE_KILL=group allows them)'
  return prefix && { kind: 'user-namespace', note, prefix }
}

/** `setpriv --pdeathsig` ends unshare when the builder dies, `--kill-child` the namespace when unshare does. */
function unsharePrefix(options: string[]): string[] | undefined {
  const [setpriv, unshare] = [findProgram('setpriv'), findProgram('unshare')]
  if (setpriv === undefined || unshare === undefined) return undefined
  return [setpriv, '--pdeathsig', 'KILL', unshare, ...options, '--pid', '--fork', '--kill-child', '--mount-proc']
}

function bubblewrapKiller(): TreeKiller | undefined {
  const bwrap = findProgram('bwrap')
  const note = 'bubblewrap gives each run a PID namespace, nothing of it outlives it; sudo and su do not work inside (TREE_KILL=group allows them)'
  return bwrap === undefined ? undefined : { kind: 'bubblewrap', note, prefix: [bwrap, '--dev-bind', '/', '/', '--proc', '/proc', '--unshare-pid', '--die-with-parent', '--as-pid-1', '--'] }
}

function groupKiller(why: string): TreeKiller {
  return { kind: 'group', note: `runs are ended by process group and by the mark in their environment; a daemon that clears its environment may survive (${why})`, prefix: [] }
}

/** Whether a command runs in it and its exit code comes out. */
export function works({ prefix }: TreeKiller): Promise<boolean> {
  const [command, ...options] = [...prefix, findProgram('sh') ?? '/bin/sh', '-c', 'exit 42']
  return new Promise((resolve) => {
    const child = spawn(command!, options, { stdio: 'ignore', timeout: 10_000 })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 42))
  })
}
