import { installation } from '../../config/home.ts'
import { findProgram } from '../../executor/find-program.ts'
import { remedyFor } from '../../executor/sandbox-needs.ts'
import { treeKiller, type TreeKillSetting } from '../../executor/tree-killer.ts'
import { trySandbox } from '../../executor/try-sandbox.ts'
import { ok, warning, wrong, type Check } from './check.ts'

/** What the settings ask for. */
interface Wanted {
  home: string
  treeKill: TreeKillSetting
  /** Whether some untrusted requests may have the network. */
  networkGranted: boolean
}

/** Whether runs can be ended and isolated here, by trying: that a program is there says nothing of what this user may do with it. */
export async function checkIsolation({ home, treeKill, networkGranted }: Wanted): Promise<Check[]> {
  const hidden = [home, installation()]
  const problem = await trySandbox({ network: 'none', hidden })
  const network = networkGranted ? [checkNetwork(problem ?? (await trySandbox({ network: 'isolated', hidden })))] : []
  return [await checkTreeKiller(treeKill, problem), checkSandbox(problem), ...network]
}

/** @param problem what keeps a sandbox from starting, which keeps a PID namespace from being made, too */
async function checkTreeKiller(setting: TreeKillSetting, problem: string | undefined): Promise<Check> {
  const { kind, note } = await treeKiller(setting)
  if (kind !== 'group') return ok('ending jobs', note)
  return warning('ending jobs', note, setting === 'group' ? 'leave TREE_KILL out of environment.sh unless builds need sudo' : remedyOf(problem))
}

function checkSandbox(problem: string | undefined): Check {
  if (problem === undefined) return ok('sandbox', `one was started (${findProgram('bwrap')})`)
  return warning('sandbox', `none can be started here, and what strangers send (forks, mailed patches) cannot be built: ${complaintOf(problem)}`, remedyOf(problem))
}

/** A network that does not reach this host's loopback. */
function checkNetwork(problem: string | undefined): Check {
  if (problem === undefined) return ok('network', `one without this host's loopback was made (${findProgram('slirp4netns') ?? findProgram('pasta')})`)
  return wrong('network', `quern.yaml grants untrusted requests the network, and none can be made for them: ${complaintOf(problem)}`, remedyOf(problem))
}

function complaintOf(problem: string): string {
  const remedy = remedyFor(problem)
  return remedy === undefined ? problem : problem.replace(`; ${remedy}`, '')
}

function remedyOf(problem: string | undefined): string {
  return (problem && remedyFor(problem)) ?? 'install what is missing: apt install bubblewrap util-linux slirp4netns; docs/isolation.md tells what each is for'
}
