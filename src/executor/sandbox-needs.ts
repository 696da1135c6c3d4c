import { spawnSync } from 'node:child_process'
import type { Execution } from './executor.ts'
import { findProgram } from './find-program.ts'
import { isolatedNetwork } from './isolated-network.ts'

/** What keeps runs with such a network, their own or a shared one, from being isolated here, with the remedy. */
export function missingForSandbox({ network, namespace }: Pick<Execution, 'network' | 'namespace'>): string | undefined {
  if (process.platform !== 'linux') return `the sandbox needs Linux, this is ${process.platform}: use the container executor`
  if (findProgram('bwrap') === undefined) return 'bubblewrap is not installed here, and the sandbox is nothing without it: apt-get install bubblewrap'
  const absent = ['setpriv', 'prlimit', 'bash', 'find', 'chown', ...(namespace === undefined ? [] : ['nsenter'])].find((name) => findProgram(name) === undefined)
  if (absent !== undefined) return `${absent} is not installed here: apt-get install util-linux bash findutils coreutils`
  if (!['--size', '--perms'].every((option) => bubblewrapHelp().includes(option))) return 'bubblewrap is too old here: 0.7 or newer was expected, which bounds a private /tmp (--size)'
  if (typeof network === 'object') return `the sandbox has no network named ${network.name}: that is one of containers`
  if (network === 'isolated' && isolatedNetwork() === undefined) return 'a network without this host\'s loopback needs slirp4netns, which is not installed here (pasta serves ordinary users only): apt-get install slirp4netns'
  return undefined
}

let help: string | undefined

export function bubblewrapHelp(): string {
  help ??= spawnSync(findProgram('bwrap')!, ['--help'], { encoding: 'utf8' }).stdout ?? ''
  return help
}

/** A complaint of the programs around a script; what this host refuses them is followed by how to allow it. */
export function withRemedy(complaint: string): string {
  const remedy = remedyFor(complaint)
  return remedy === undefined ? complaint : `${complaint}; ${remedy}`
}

/** How this host is brought to allow what the programs around a script complain of; undefined where that is nothing of this host's. */
export function remedyFor(complaint: string): string | undefined {
  const user = process.getuid!()
  if (/\/dev\/net\/tun|tun socket/.test(complaint)) return `user ${user} needs /dev/net/tun to read and write: modprobe tun where it is not there, chmod 666 /dev/net/tun where it is; a container gets it by --device /dev/net/tun`
  if (/bwrap: Can't mount proc/.test(complaint)) return `a part of /proc is covered here, as ProtectKernelTunables= or ProtectKernelLogs= of a systemd unit and containers cover it, and user ${user} may mount no other then: start the builder without that${user === 0 ? ' (a container with --privileged)' : ', or as root'}`
  if (!/^.*bwrap: .*(namespace|uid map|Operation not permitted|No space left)/is.test(complaint)) return undefined
  if (user === 0) return 'root may make no namespaces here, as in a container: start that with --privileged, or the builder outside of it'
  return `this host does not allow user ${user} the namespaces of a sandbox: allow them (sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 user.max_user_namespaces=10000), or start the builder as root`
}
