import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Execution } from './executor.ts'
import { firstFile } from './run-tree.ts'
import type { SandboxFile } from './sandbox-files.ts'

export interface View {
  execution: Execution
  files: SandboxFile[]
  /** Host directories that no run may see even below a visible one: Quern's home and checkout. */
  hidden: string[]
}

const mebibyte = 1024 * 1024

/** Bytes that fit into a run's /tmp, and as many into its HOME. They are memory of the host. */
const temporarySize = 2048 * mebibyte

/**
 * Directories of /etc that compilers, interpreters and TLS read. Nothing that may hold a credential: no ssh, no git or npm
 * configuration of the host, and ssl without its private keys. bwrap takes a fifth of a millisecond for each.
 */
const configuration = ['/etc/alternatives', '/etc/crypto-policies', '/etc/fonts', '/etc/maven', '/etc/pki/ca-trust', '/etc/pki/tls/certs', '/etc/ssl']

const privateKeys = '/etc/ssl/private'

/** Arguments of bwrap that make the files a run sees, as in bwrap(1). Later ones lie over earlier ones. */
export function viewArguments({ execution, files, hidden }: View): string[] {
  const { workspace, start = workspace, mounts = [], env, limits } = execution
  const size = String(Math.min(temporarySize, limits.memory ?? temporarySize))
  const writable = (path: string, bytes: string) => ['--perms', '1777', '--size', bytes, '--tmpfs', path]
  const visible = systemDirectories()
  return [
    // First, since a node installed in a home, a mount and the workspace may lie in what these cover.
    ...writable('/tmp', size),
    ...(isHome(env['HOME'], workspace) ? [...parents(env['HOME']), ...writable(env['HOME'], size)] : []),
    ...visible.flatMap(asOnHost),
    ...(isBelowOneOf(realpathSync(process.execPath), visible) ? [] : ownNode().flatMap(asOnHost)),
    ...configuration.concat(javaConfiguration()).filter((path) => existsSync(path)).flatMap((path) => [...parents(path), '--ro-bind', path, path]),
    ...(existsSync(privateKeys) ? ['--tmpfs', privateKeys, '--remount-ro', privateKeys] : []),
    ...files.flatMap(({ path }, index) => [...parents(path), '--perms', '0444', '--file', String(firstFile + index), path]),
    '--dev', '/dev',
    '--remount-ro', '/dev',
    ...writable('/dev/shm', String(256 * mebibyte)),
    '--proc', '/proc',
    '--dir', '/var', '--symlink', '../tmp', '/var/tmp',
    ...hidden.filter((path) => isBelowOneOf(path, visible)).flatMap((path) => ['--tmpfs', path, '--remount-ro', path]),
    ...mounts.flatMap(({ from, to, readonly }) => [...parents(to), readonly ? '--ro-bind' : '--bind', from, to]),
    ...parents(workspace), '--bind', workspace, workspace,
    // Only now: everything above may need a directory on it. It is memory of the host and bounded by nothing.
    '--remount-ro', '/',
    '--chdir', start,
  ]
}

/** The system's programs and libraries. /opt is not among them: servers are installed there, with their data. */
function systemDirectories(): string[] {
  const libraries = readdirSync('/').filter((name) => /^lib(\d*|x32)$/.test(name)).map((name) => `/${name}`)
  return ['/usr', '/bin', '/sbin', ...libraries, '/nix/store', '/gnu/store'].filter((path) => existsSync(path))
}

/**
 * The node that Quern runs on, where it lives outside the system (nvm, a tarball): itself, npm and what npm installed
 * beside it, and nothing else of the directory, which may be somebody's home.
 */
function ownNode(): string[] {
  const node = realpathSync(process.execPath)
  const [bin, modules, headers] = [dirname(node), join(dirname(node), '../lib/node_modules'), join(dirname(node), '../include/node')]
  const commands = readdirSync(bin).map((name) => join(bin, name)).filter((path) => lstatSync(path).isSymbolicLink() && readlinkSync(path).startsWith('../lib/node_modules/'))
  return [node, ...commands, ...[modules, headers].filter((path) => existsSync(path))]
}

function asOnHost(path: string): string[] {
  if (lstatSync(path).isSymbolicLink()) return [...parents(path), '--symlink', readlinkSync(path), path]
  return [...parents(path), '--ro-bind', path, path]
}

/** Debian's JDKs keep parts of themselves in /etc/java-<version>-openjdk. */
function javaConfiguration(): string[] {
  return readdirSync('/etc').filter((name) => /^java(-[\w.-]+)?$/.test(name)).map((name) => `/etc/${name}`)
}

/** A home of the run's own, except where it lies in a place that the run can write anyway. */
function isHome(home: string | undefined, workspace: string): home is string {
  return home !== undefined && home.startsWith('/') && !['/', '/tmp'].includes(resolve(home)) && !isBelowOneOf(home, [workspace, '/usr', '/etc', '/proc', '/dev'])
}

/** bwrap makes missing parents for its own user only. */
function parents(path: string): string[] {
  const above = dirname(path)
  return above === '/' ? [] : [...parents(above), '--perms', '0755', '--dir', above]
}

function isBelowOneOf(path: string, directories: string[]): boolean {
  return directories.some((directory) => path === directory || path.startsWith(`${directory}/`))
}
