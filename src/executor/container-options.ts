import type { Engine } from './engine.ts'
import { homeOf } from './execution-id.ts'
import type { Execution, Network } from './executor.ts'

/** Bytes that fit into a container's /tmp, and as many into /var/tmp and its HOME. */
const temporarySize = 2048 * 1024 * 1024

/** HOME in every container: a run's user has none in the image, and the host's means nothing there. */
export const homeInside = '/home/quern'

/** Options of `create` for a run: closed except for what it was given. `luggage` is the host directory that becomes /quern. */
export function createOptions(engine: Engine, execution: Execution, luggage: string): string[] {
  const { workspace, start = workspace, limits, id, network, alias, mounts = [] } = execution
  const size = Math.min(temporarySize, limits.memory ?? temporarySize)
  // podman would copy the owner and mode of the image's directory over these.
  const asWritten = engine.name === 'podman' ? ',notmpcopyup' : ''
  const temporary = (path: string) => ['--tmpfs', `${path}:rw,exec,size=${size},mode=1777${asWritten}`]
  return [
    '--label', `quern.home=${homeOf(id)}`, '--label', `quern.run=${id}`,
    '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--read-only', '--log-driver', 'none',
    ...['/tmp', '/var/tmp', homeInside].flatMap(temporary),
    ...(engine.remote ? ['--volume', workspace, '--volume', '/quern'] : ['--volume', `${workspace}:${workspace}`, '--volume', `${luggage}:/quern:ro`]),
    ...mounts.flatMap((mount) => volume(mount, engine)),
    '--workdir', start,
    ...networkOptions(network, alias),
    ...(limits.memory === undefined ? [] : ['--memory', String(limits.memory), '--memory-swap', String(limits.memory)]),
    ...(limits.cpus === undefined ? [] : ['--cpus', String(limits.cpus)]),
    ...(limits.processes === undefined ? [] : ['--pids-limit', String(limits.processes)]),
    ...(limits.fileSize === undefined ? [] : ['--ulimit', `fsize=${limits.fileSize}:${limits.fileSize}`]),
    ...engine.createOptions,
  ]
}

/** Of what is copied in a place is made, since the root is read-only; below /quern there is one. */
function volume({ from, to, readonly, portable }: NonNullable<Execution['mounts']>[number], { remote }: Engine): string[] {
  if (!remote || !portable) return ['--volume', `${from}:${to}:${readonly ? 'ro' : 'rw'}`]
  return to.startsWith('/quern/') ? [] : ['--volume', to]
}

/** A container is never on the host's own network: the engine's default one leads out, and not to the host's loopback. */
function networkOptions(network: Network, alias: string | undefined): string[] {
  if (network === 'none') return ['--network', 'none']
  if (typeof network === 'string') return []
  return ['--network', network.name, ...(alias === undefined ? [] : ['--network-alias', alias, '--label', `quern.alias=${alias}`])]
}
