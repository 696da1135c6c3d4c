import { spawn } from 'node:child_process'
import { findProgram } from './find-program.ts'
import { isRoot } from './is-root.ts'

/** How the processes of a shell run are held together, so that none outlives the run. */
export interface TreeKiller {
  kind: 'namespace' | 'user-namespace' | 'bubblewrap' | 'group'
  /** One sentence for doctor and the record. */
  note: string
  /** Stands before the command that becomes process 1 of a namespace of its own; empty for a group. */
  prefix: string[]
  /** The same for a run that sees these files at other paths; absent where runs have no mounts of their own. */
  prefixWith?: (mounts: FileMount[]) => string[]
}

interface FileMount {
  from: string
  to: string
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
  const candidates = isRoot() ? [namespaceKiller(), bubblewrapKiller()] : [userNamespaceKiller(), bubblewrapKiller()]
  for (const candidate of candidates) if (candidate !== undefined && (await tryOut(candidate))) return candidate
  return groupKiller('this host allows no PID namespace here: neither unshare and setpriv (util-linux) nor bwrap (bubblewrap) can make one')
}

function namespaceKiller(): TreeKiller | undefined {
  const note = 'each run has a PID namespace to itself, nothing of it outlives it'
  return unshareKiller({ kind: 'namespace', note }, { own: [], toMount: [], inside: [] })
}

function userNamespaceKiller(): TreeKiller | undefined {
  const note = 'each run has a user and PID namespace to itself, nothing of it outlives it; sudo and su do not work inside (TREE_KILL=group allows them)'
  const [uid, gid] = [process.getuid?.(), process.getgid?.()]
  // To mount takes the user of one namespace, and in another one inside it the run has its own user id again.
  const users = { own: ['--user', '--map-current-user'], toMount: ['--user', '--map-root-user'], inside: ['--user', `--map-user=${uid}`, `--map-group=${gid}`] }
  return unshareKiller({ kind: 'user-namespace', note }, users)
}

/** `setpriv --pdeathsig` ends unshare when the builder dies, `--kill-child` the namespace when unshare does. */
function unshareKiller(told: Pick<TreeKiller, 'kind' | 'note'>, users: Record<'own' | 'toMount' | 'inside', string[]>): TreeKiller | undefined {
  const [setpriv, unshare, mount] = ['setpriv', 'unshare', 'mount'].map(findProgram)
  if (setpriv === undefined || unshare === undefined) return undefined
  const dying = [setpriv, '--pdeathsig', 'KILL']
  const held = (user: string[]) => [unshare, ...user, '--pid', '--fork', '--kill-child', '--mount-proc']
  const bind = `while [ "$1" != -- ]; do ${mount} --bind "$1" "$2" || exit 1; shift 2; done; shift; exec "$@"`
  const mounting = (mounts: FileMount[]) => [unshare, ...users.toMount, '--mount', findProgram('sh') ?? '/bin/sh', '-c', bind, 'sh', ...mounts.flatMap(({ from, to }) => [from, to]), '--']
  return {
    ...told,
    prefix: [...dying, ...held(users.own)],
    ...(mount !== undefined && { prefixWith: (mounts: FileMount[]) => [...dying, ...mounting(mounts), ...held(users.inside)] }),
  }
}

function bubblewrapKiller(): TreeKiller | undefined {
  const bwrap = findProgram('bwrap')
  const note = 'bubblewrap gives each run a PID namespace, nothing of it outlives it; sudo and su do not work inside (TREE_KILL=group allows them)'
  if (bwrap === undefined) return undefined
  const prefixWith = (mounts: FileMount[]) => [bwrap, '--dev-bind', '/', '/', ...mounts.flatMap(({ from, to }) => ['--dev-bind', from, to]), '--proc', '/proc', '--unshare-pid', '--die-with-parent', '--as-pid-1', '--']
  return { kind: 'bubblewrap', note, prefix: prefixWith([]), prefixWith }
}

function groupKiller(why: string): TreeKiller {
  return { kind: 'group', note: `runs are ended by process group and by the mark in their environment; a daemon that clears its environment may survive (${why})`, prefix: [] }
}

/** Whether a command runs in it and its exit code comes out. */
export function works({ prefix }: Pick<TreeKiller, 'prefix'>): Promise<boolean> {
  const [command, ...options] = [...prefix, findProgram('sh') ?? '/bin/sh', '-c', 'exit 42']
  return new Promise((resolve) => {
    const child = spawn(command!, options, { stdio: 'ignore', timeout: 10_000 })
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 42))
  })
}
