import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findProgram } from '../../executor/find-program.ts'
import { treeKiller, type TreeKillSetting } from '../../executor/tree-killer.ts'
import { ok, warning, wrong, type Check } from './check.ts'

/** The oldest Node that Quern runs on. */
const oldestNode = [20, 19] as const

/** What the builder cannot do without: the program, the option that shows its version, the package that brings it. */
const needed = [
  { name: 'git', option: '--version', remedy: 'install it: apt install git' },
  { name: 'bash', option: '--version', remedy: 'install it: apt install bash' },
  { name: 'mkfifo', option: '--version', remedy: 'install it: apt install coreutils' },
] as const

/** What the settings ask for. */
interface Wanted {
  treeKill: TreeKillSetting
  engine: string
  /** Whether some untrusted requests may have the network. */
  networkGranted: boolean
}

/** The programs that Quern starts, and whether it can end what jobs start. */
export async function checkPrograms({ treeKill, engine, networkGranted }: Wanted): Promise<Check[]> {
  const programs = await Promise.all(needed.map(({ name, option, remedy }) => checkProgram(name, option, remedy)))
  return [checkNode(process.versions.node), ...programs, checkLocker(), await checkTreeKiller(treeKill), checkSandbox(), ...(networkGranted ? [checkNetwork()] : []), checkEngine(engine)]
}

/** @param version like 20.19.1 */
export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return ok('node', `${version} (${process.execPath})`)
  return wrong('node', `${version} (${process.execPath})`, `install ${oldestNode.join('.')} or newer, and name it in environment.sh where cron does not find it: export NODE="/path/to/node"`)
}

async function checkProgram(name: string, option: string, remedy: string): Promise<Check> {
  const path = findProgram(name)
  if (path === undefined) return wrong(name, 'not found in the directories of the system', remedy)
  // BSD programs know no --version: that they start is enough.
  const { stdout } = await promisify(execFile)(path, [option], { timeout: 10_000 }).catch((error: { stdout?: string; code?: unknown }) => ({ stdout: error.stdout ?? '' }))
  return ok(name, stdout.split('\n')[0] || path)
}

function checkLocker(): Check {
  const name = ['flock', 'perl'].find((program) => findProgram(program) !== undefined)
  return name === undefined ? wrong('lock', 'neither flock nor perl: two builders cannot be kept apart', 'install it: apt install util-linux') : ok('lock', name)
}

async function checkTreeKiller(setting: TreeKillSetting): Promise<Check> {
  const { kind, note } = await treeKiller(setting)
  if (kind !== 'group') return ok('ending jobs', note)
  const remedy = setting === 'group' ? 'leave TREE_KILL out of environment.sh unless builds need sudo' : 'install it: apt install util-linux bubblewrap, and allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)'
  return warning('ending jobs', note, remedy)
}

function checkSandbox(): Check {
  const path = findProgram('bwrap')
  return path === undefined ? warning('sandbox', 'no bwrap: what strangers send (forks, mailed patches) cannot be built', 'install it: apt install bubblewrap') : ok('sandbox', path)
}

/** A network that does not reach this host's loopback is made by one of these. */
function checkNetwork(): Check {
  const path = findProgram('slirp4netns') ?? findProgram('pasta')
  return path === undefined ? wrong('network', 'quern.yaml grants untrusted requests the network, but neither slirp4netns nor pasta is there', 'install it: apt install slirp4netns') : ok('network', path)
}

/** @param engine the setting ENGINE */
function checkEngine(engine: string): Check {
  const path = engine === 'auto' ? (findProgram('podman') ?? findProgram('docker')) : findProgram(engine)
  if (engine !== 'auto' && path === undefined) return wrong('containers', `ENGINE is ${engine}, which is not installed`, `install it: apt install ${engine === 'docker' ? 'docker.io' : engine}, or set ENGINE="auto"`)
  return ok('containers', path ?? 'no podman or docker: only jobs that name an image need one')
}
